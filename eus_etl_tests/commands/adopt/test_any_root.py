"""Adopting whatever lies in a root, killed anywhere: no file is lost."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from benchmarks.support.places import CHECKOUT
from eus_etl.commands.adopt.run import adopt_root
from eus_etl.commands.adopt.videos import move_videos, plan_videos
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import ForeignRootError
from eus_etl.steps.observation.snapshot import ObservedFile
from eus_etl.storage.files.checksums import md5_of
from eus_etl.storage.root_owner import claim_root
from eus_etl_tests.support.hospitals.old_roots import ADOPTED, files

# runs the command with one function replaced by one that kills the process before its n-th call
VICTIM = """
import os, signal, sys
from pathlib import Path
from eus_etl.settings import load_study
from eus_etl.commands.adopt import run as adopt
from eus_etl.commands.adopt import videos as adopted_videos

config, point, nth = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sound, calls = getattr(adopt, point), []

def dies(*arguments):
    calls.append(arguments)
    if len(calls) == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return sound(*arguments)

for module in (adopt, adopted_videos):
    if hasattr(module, point):
        setattr(module, point, dies)
adopt.adopt_root(load_study(config))
"""


@pytest.mark.parametrize(
    ("point", "nth"),
    [
        ("compare_labels", 1),
        ("move", 2),
        ("move", 4),
        ("move", 6),
        ("move", 9),
        ("move", 11),
        ("mark_root", 1),
    ],
)
def test_killed_anywhere_it_is_started_again(hospital: TinyHospital, point: str, nth: int) -> None:
    root = hospital.study.root
    before = files(root)
    command = [sys.executable, "-c", VICTIM, str(hospital.config), point, str(nth)]
    died = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    between = files(root)
    assert Counter(between.values()) == Counter(before.values())
    assert (set(between) == set(before)) is (point == "compare_labels")
    with pytest.raises(ForeignRootError, match="eus-etl adopt"):
        claim_root(hospital.paths, "eusml")

    report = adopt_root(hospital.study)
    after = files(root)
    assert Counter(after.values()) == Counter(before.values())
    assert {name for name in after if name.startswith(("raw_data", "master-dataset"))} == {
        name for name in ADOPTED if name.startswith(("raw_data", "master-dataset"))
    }
    assert report.compared.height == 4  # the old tables are found where they were put
    assert not hospital.paths.adopting.exists()
    claim_root(hospital.paths, "eusml")


CONTENTS = st.integers(0, 4)
NAMES = st.sampled_from(["a.mp4", "b.mp4", "A.mp4", "c"])
FOLDERS = st.sampled_from(["p1", "p2", "p1/deep", "elsewhere", ".adopting", "p1/a.mp4", ""])


@given(
    disk=st.dictionaries(st.tuples(FOLDERS, NAMES), CONTENTS, max_size=8),
    uploads=st.lists(st.tuples(st.sampled_from(["p1", "p2"]), NAMES, CONTENTS), max_size=6),
)
def test_whatever_lies_where_no_file_is_lost_and_each_fills_a_place(
    tmp_path_factory: pytest.TempPathFactory,
    disk: dict[tuple[str, str], int],
    uploads: list[tuple[str, str, int]],
) -> None:
    paths = StudyPaths(tmp_path_factory.mktemp("any"))
    for (folder, name), content in disk.items():
        file = paths.raw_data / folder / name
        if not any(part.is_file() for part in file.parents) and not file.is_dir():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(bytes([content]) * 3)
    before = Counter(files(paths.root).values())
    md5_sums = {content: md5_sum(bytes([content]) * 3, paths.root) for content in range(5)}
    observed: dict[str, list[ObservedFile]] = {}
    for number, (patient, name, content) in enumerate(uploads):
        upload = ObservedFile(source_id=f"s{number}", parts=(patient, name), size=3, md5=md5_sums[content])
        observed.setdefault(patient, []).append(upload)
    plan = plan_videos(paths, observed, lambda *_: None)
    for place in (*plan.held.values(), *plan.open_places):
        if place.target.is_file() and md5_of(place.target) == place.md5:
            assert plan.held[place.target] == place
    wanted = Counter(content for _, content in {(patient, content) for patient, _, content in uploads})
    for content, places in wanted.items():
        held = [place for place in plan.held.values() if place.md5 == md5_sums[content]]
        assert len(held) == min(places, before[bytes([content]) * 3])
    move_videos(paths, plan)
    assert Counter(files(paths.root).values()) == before
    for place in plan.held.values():
        assert md5_of(place.target) == place.md5
    settled = plan_videos(paths, observed, lambda *_: None)
    assert not settled.moved
    assert not settled.aside
    assert len(settled.held) == len(plan.held)


def md5_sum(content: bytes, folder: Path) -> str:
    """The MD5 of bytes, as the code under test computes it."""
    file = folder.with_suffix(".probe")
    file.write_bytes(content)
    return md5_of(file)


def test_links_are_left_as_they_are(hospital: TinyHospital) -> None:
    link = hospital.paths.raw_data / "shortcut.mp4"
    link.symlink_to("nowhere")
    adopt_root(hospital.study)
    assert link.is_symlink()
    assert not (hospital.paths.legacy / "raw_data" / "shortcut.mp4").exists()
