"""What the text check costs, beside the extraction, on a 1080p H.264 video at 5 Hz.

    python benchmarks/text_check.py [--minutes 2]

A synthetic screen of 20 s is looped, without encoding it again, to so many minutes. A process of its own
extracts it, finds the region, makes the preprocessed frames with the check switched off, and then only checks
them. CPU is that of this process and of the reader's. An hour is stated as so many times what was measured,
which is too much: a few pages are read whole, at most five of a layout however long it is. Memory is the
largest resident size (VmHWM) of each process.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.support.hospitals.visits_of_videos import PATIENT, lay_out, study_at
from benchmarks.support.screens.known_fields import synthetic_clip
from eus_etl.domain.tables.catalog import REGIONS
from eus_etl.settings import ExtractionConfig, RecipeConfig, StudyConfig, TextCheckConfig
from eus_etl.steps.frame_extraction import extract_video
from eus_etl.steps.frames import extract_patient
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.regions import find_regions
from eus_etl.steps.result import StepResult

MOST_SHARE, MOST_MB = 0.5, 600
CLIP_S = 20
RATE_HZ, KEPT_HZ = 30, 5


def write_clip(target: Path) -> None:
    """A convex field that moves, on a screen of 1920 by 1080."""
    pictures = [
        cv2.copyMakeBorder(cv2.resize(shown, (1440, 1080)), 0, 0, 240, 240, cv2.BORDER_CONSTANT)
        for shown in synthetic_clip("convex", 901).pictures
    ]
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ, options={"crf": "20", "g": "60"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(CLIP_S * RATE_HZ):
            at, part = divmod(number * len(pictures) / (CLIP_S * RATE_HZ), 1)
            following = pictures[(int(at) + 1) % len(pictures)]
            shown = cv2.addWeighted(pictures[int(at)], 1 - part, following, part, 0)
            frame = av.VideoFrame.from_ndarray(np.asarray(shown, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def measure(video: Path, folder: Path) -> None:
    """Print the costs; in a process of its own, whose memory is that of the steps alone."""
    images, grid = folder / "images", folder / "grid"
    images.mkdir()
    grid.mkdir()
    start = time.process_time()
    extract_video(video, "video", images, grid, ExtractionConfig(frame_rate_hz=KEPT_HZ))
    extraction_s = time.process_time() - start
    study = _study(folder / "data", "never")
    lay_out(study, [video])
    extract_patient(study, PATIENT)
    regions = find_regions(study, PATIENT, REGIONS.empty())
    made = preprocess_patient(study, PATIENT)
    start = time.process_time()
    checked = preprocess_patient(_study(folder / "data", "always"), PATIENT)
    own_s = time.process_time() - start
    reader_s = _reader_s(checked)
    before_s = _reader_s(regions)
    frames = int(str(made.metadata["images"]))
    peak_mb = _peak_mb()
    reader_mb = int(str(checked.metadata["text_reader_peak_mb"]))
    share = (own_s + reader_s + before_s) / extraction_s
    print(f"frames: {frames}; words found in {checked.metadata['text_found_in']} layouts")
    print("\n| CPU | s | ms a frame | an hour at 5 Hz, s |\n|---|---|---|---|")
    for name, seconds in (
        ("extraction", extraction_s),
        ("check: choosing what is read", own_s),
        ("check: the reader", reader_s),
        ("before masking: the reader", before_s),
    ):
        print(f"| {name} | {seconds:.1f} | {1000 * seconds / frames:.1f} | {18000 * seconds / frames:.0f} |")
    print(f"\nshare of the extraction: {share:.2f}, {'met' if share <= MOST_SHARE else 'missed'}")
    verdict = "met" if max(peak_mb, reader_mb) < MOST_MB else "missed"
    print(f"peak: {peak_mb} MB, the reader {reader_mb} MB, {verdict}")


def _study(root: Path, enabled: str) -> StudyConfig:
    study = study_at(root, KEPT_HZ)
    recipes = {"grey512": RecipeConfig(version=1, size_px=512)}
    check = TextCheckConfig.model_validate({"enabled": enabled})
    preprocess = study.preprocess.model_copy(update={"recipes": recipes, "text_check": check})
    return study.model_copy(update={"preprocess": preprocess})


def _reader_s(result: StepResult) -> float:
    """CPU seconds of the reader's processes, as a step states them."""
    read = result.metadata.get("text_reader_pictures", 0), result.metadata.get("text_reader_ms_a_picture", 0)
    return float(str(read[0])) * float(str(read[1])) / 1000


def _peak_mb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--minutes", type=float, default=2)
    arguments.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.measure:
        cv2.setNumThreads(1)
        measure(*chosen.measure)
        return
    with tempfile.TemporaryDirectory() as name:
        clip, video = Path(name) / "clip.mp4", Path(name) / "video.mp4"
        write_clip(clip)
        turns = max(0, round(chosen.minutes * 60 / CLIP_S) - 1)
        loop = [
            "ffmpeg",
            "-v",
            "error",
            "-stream_loop",
            str(turns),
            "-i",
            str(clip),
            "-c",
            "copy",
            str(video),
        ]
        subprocess.run(loop, check=True)
        folder = Path(name) / "measured"
        folder.mkdir()
        subprocess.run([sys.executable, __file__, "--measure", str(video), str(folder)], check=True)


if __name__ == "__main__":
    main()
