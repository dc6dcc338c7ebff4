"""A process that dies of SIGKILL anywhere in the extraction leaves nothing that a rerun does not mend."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.support.hospitals.visits_of_videos import PATIENT, contents, lay_out, study_at
from benchmarks.support.places import CHECKOUT
from benchmarks.support.videos.small_videos import evenly, write_video
from eus_etl.steps.frames import extract_patient

# runs the step with one function replaced by one that kills the process at its n-th call
VICTIM = """
import os, signal, sys
from pathlib import Path
from eus_etl.steps import frames
from benchmarks.support.hospitals.visits_of_videos import PATIENT, study_at

root, point, nth = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sound, calls = getattr(frames, point, lambda decoded: None), []

def dies(*arguments):
    calls.append(arguments)
    if len(calls) == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return sound(*arguments)

if hasattr(frames, point):
    setattr(frames, point, dies)
    frames.extract_patient(study_at(root, rate_hz=5.0), PATIENT)
else:
    frames.extract_patient(study_at(root, rate_hz=5.0), PATIENT, on_frames=dies)
"""


@pytest.mark.parametrize(
    ("point", "nth", "left_behind", "earlier"),
    [
        ("told of frames", 1, "images", False),
        ("write_rows", 1, "images", False),
        ("remove_extraction", 1, "images", True),
        ("publish_folder", 1, "images", False),
        ("publish_folder", 1, "images", True),
        ("write_manifest", 1, "published", False),
        ("publish_folder", 2, "published", True),
        ("write_manifest", 2, "done", False),
    ],
)
def test_a_rerun_gives_what_an_undisturbed_run_gives(
    tmp_path: Path, point: str, nth: int, left_behind: str, earlier: bool
) -> None:
    videos = [write_video(tmp_path / f"{n}.mkv", evenly(40, 40 + n)) for n in range(2)]
    study, sound = study_at(tmp_path / "root", rate_hz=5.0), study_at(tmp_path / "sound", rate_hz=5.0)
    ids = lay_out(study, videos)
    if earlier:  # images of another configuration lie there
        extract_patient(study_at(tmp_path / "root", rate_hz=2.0), PATIENT)
    command = [sys.executable, "-c", VICTIM, str(study.root), point, str(nth)]
    died = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()

    frames = study.root / "master-dataset" / "Frames" / PATIENT
    states = study.root / ".eus_etl" / "extracted" / PATIENT
    partial = list(frames.glob("*.partial/*.jpg")) + list(frames.glob(".*.partial/*.jpg"))
    if left_behind == "images":
        assert partial
        assert earlier or not (frames / ids[0]).exists()
    elif left_behind == "published":
        assert list((frames / ids[0]).glob("*.jpg"))
        assert not (states / ids[0]).exists()
    else:
        assert (states / ids[0] / "manifest.json").is_file()
        assert not (states / ids[1]).exists()

    rerun = extract_patient(study, PATIENT)
    assert rerun.metadata["videos_decoded"] == (1 if left_behind == "done" else 2)
    lay_out(sound, videos)
    extract_patient(sound, PATIENT)
    assert contents(study.root) == contents(sound.root)


def test_a_visit_that_is_killed_at_any_moment_completes(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / "long.mkv", evenly(40, 300))]
    study, sound = study_at(tmp_path / "root"), study_at(tmp_path / "sound")
    lay_out(study, videos)
    code = (
        "import sys; from pathlib import Path; from eus_etl.steps.frames import extract_patient;"
        "from benchmarks.support.hospitals.visits_of_videos import PATIENT, study_at;"
        "extract_patient(study_at(Path(sys.argv[1])), PATIENT)"
    )
    frames = study.root / "master-dataset" / "Frames" / PATIENT
    victim = subprocess.Popen([sys.executable, "-c", code, str(study.root)], cwd=CHECKOUT)
    while victim.poll() is None and not list(frames.glob(".*.partial/*.jpg")):
        os.sched_yield()
    victim.kill()
    assert victim.wait() == -signal.SIGKILL
    assert list(frames.rglob("*.jpg"))
    extract_patient(study, PATIENT)
    lay_out(sound, videos)
    extract_patient(sound, PATIENT)
    assert contents(study.root) == contents(sound.root)
