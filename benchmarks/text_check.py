"""What the text check costs in all, beside the extraction, on a 1080p H.264 video at 5 Hz.

    python benchmarks/text_check.py [--minutes 5] [--clip FILE]

A synthetic screen of 20 s, or a recording enlarged to 1080p, is looped, without encoding it again, to so many
minutes. A process of its own extracts it, finds the region without and with what is read before masking,
makes the preprocessed frames with the check switched off, and then only checks them: of the 20 s, and of the
whole. What the whole takes more is the cost of its frames, the rest that of a layout, however long it is. An
hour of one layout is stated from these two. CPU is that of this process and of the reader's, memory the
largest resident size (VmHWM) of each process.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TypeVar

import av
import cv2
import numpy as np

from benchmarks.support.hospitals.visits_of_videos import PATIENT, lay_out, study_at
from benchmarks.support.processes import peak_mb
from benchmarks.support.screens.known_fields import synthetic_clip
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.tables.catalog import REGIONS
from eus_etl.domain.video.reader import decode
from eus_etl.settings import ExtractionConfig, RecipeConfig, StudyConfig, TextCheckConfig
from eus_etl.steps.frame_extraction import extract_video
from eus_etl.steps.frames import extract_patient
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.regions.step import find_regions
from eus_etl.steps.result import StepResult
from eus_etl.steps.text_reader.processes import SeparateReader

MOST_SHARE, MOST_MB = 0.5, 600
CLIP_S = 20
RATE_HZ, KEPT_HZ = 30, 5
WIDTH_PX, HEIGHT_PX = 1920, 1080
EXTRACTION = "extraction"

_FRAMES = CLIP_S * RATE_HZ
_AN_HOUR = 3600 * KEPT_HZ
_Result = TypeVar("_Result")


def write_clip(target: Path, x264: str = "") -> None:
    """A convex field that moves, on a screen of 1920 by 1080.

    Args:
        target: the file.
        x264: further settings of the encoder.
    """
    screens = synthetic_clip("convex", 901).pictures
    pictures = [np.asarray(cv2.resize(shown, (1440, HEIGHT_PX)), np.uint8) for shown in screens]
    _encode(target, (_between(pictures, number / _FRAMES) for number in range(_FRAMES)), x264)


def write_recording(source: Path, target: Path) -> None:
    """The first pictures of a recording, to and fro, 1080 px high."""
    pictures: list[Picture] = []
    for frame in islice(decode(source, "0" * 12), CLIP_S * RATE_HZ // 2):
        picture = frame.picture()
        width = min(WIDTH_PX, round(picture.shape[1] * HEIGHT_PX / picture.shape[0]))
        pictures.append(np.asarray(cv2.resize(picture, (width, HEIGHT_PX)), np.uint8))
    _encode(target, islice(cycle([*pictures, *reversed(pictures)]), _FRAMES))


def _between(pictures: Sequence[Picture], share: float) -> Picture:
    at, part = divmod(share * len(pictures), 1)
    following = pictures[(int(at) + 1) % len(pictures)]
    return np.asarray(cv2.addWeighted(pictures[int(at)], 1 - part, following, part, 0), np.uint8)


def _encode(target: Path, pictures: Iterable[Picture], x264: str = "") -> None:
    options = {"crf": "20", "g": "60", "x264-params": x264}
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for picture in pictures:
            left = (WIDTH_PX - picture.shape[1]) // 2
            right = WIDTH_PX - picture.shape[1] - left
            shown = cv2.copyMakeBorder(picture, 0, 0, left, right, cv2.BORDER_CONSTANT)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.asarray(shown, np.uint8), format="bgr24"))
            )
        container.mux(stream.encode())


def repeat(clip: Path, video: Path, times: int) -> None:
    """Play a clip so many times over, without encoding it again."""
    loop = ["ffmpeg", "-v", "error", "-stream_loop", str(max(0, times - 1)), "-i", str(clip), "-c", "copy"]
    subprocess.run([*loop, str(video)], check=True)


def measure(short: Path, video: Path, folder: Path) -> None:
    """Print the costs; in a process of its own, whose memory is that of the steps alone."""
    reader = SeparateReader()
    list(reader.read("nothing", [np.zeros((64, 64), np.uint8)]))
    few, all_of_it = _costs(short, folder / "short"), _costs(video, folder / "whole")
    more = all_of_it.frames - few.frames
    print(f"frames: {all_of_it.frames}; words found in {all_of_it.found_in} layouts")
    print("\n| CPU | measured, s | ms a frame | s a layout | an hour at 5 Hz, s |\n|---|---|---|---|---|")
    hours = {}
    for name, seconds in all_of_it.seconds.items():
        a_frame_s = max(0.0, seconds - few.seconds[name]) / more
        a_layout_s = seconds - all_of_it.frames * a_frame_s
        hours[name] = a_layout_s + _AN_HOUR * a_frame_s
        print(f"| {name} | {seconds:.1f} | {1000 * a_frame_s:.1f} | {a_layout_s:.1f} | {hours[name]:.0f} |")
    start_s = reader.cost.cpu_s
    print(f"| start of the reader | {start_s:.1f} | | | {start_s:.0f} |")
    check_s = sum(hours.values()) - hours[EXTRACTION] + start_s
    share = check_s / hours[EXTRACTION]
    print(f"\nshare of the extraction: {share:.2f}, {'met' if share <= MOST_SHARE else 'missed'}")
    own_mb = peak_mb(os.getpid()) or 0
    verdict = "met" if max(own_mb, all_of_it.reader_mb) < MOST_MB else "missed"
    print(f"peak: {own_mb} MB, the reader {all_of_it.reader_mb} MB, {verdict}")


@dataclass(frozen=True)
class _Costs:
    """What a video took.

    Attributes:
        frames: how many were checked.
        seconds: of CPU, by what took them.
        found_in: in how many layouts words were found.
        reader_mb: the most memory of the reader.
    """

    frames: int
    seconds: Mapping[str, float]
    found_in: int
    reader_mb: int


def _costs(video: Path, folder: Path) -> _Costs:
    images, grid = folder / "images", folder / "grid"
    images.mkdir(parents=True)
    grid.mkdir()
    never, always = (_study(folder / "data", enabled) for enabled in ("never", "always"))
    lay_out(never, [video])
    extraction = ExtractionConfig(frame_rate_hz=KEPT_HZ)
    _, extraction_s = _timed(lambda: extract_video(video, "video", images, grid, extraction))
    extract_patient(never, PATIENT)
    _, region_s = _timed(lambda: find_regions(never, PATIENT, REGIONS.empty()))
    regions, both_s = _timed(lambda: find_regions(always, PATIENT, REGIONS.empty()))
    preprocess_patient(never, PATIENT)
    checked, own_s = _timed(lambda: preprocess_patient(always, PATIENT))
    seconds = {
        EXTRACTION: extraction_s,
        "before masking: choosing what is read": both_s - region_s,
        "before masking: the reader": _reader_s(regions),
        "after masking: choosing what is read": own_s,
        "after masking: the reader": _reader_s(checked),
    }
    frames, found_in, reader_mb = (
        int(str(checked.metadata[name])) for name in ("images", "text_found_in", "text_reader_peak_mb")
    )
    return _Costs(frames, seconds, found_in, reader_mb)


def _timed(step: Callable[[], _Result]) -> tuple[_Result, float]:
    """What a step gives, and the seconds of this process's CPU that it took."""
    start = time.process_time()
    result = step()
    return result, time.process_time() - start


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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--minutes", type=float, default=5)
    arguments.add_argument("--clip", type=Path, help="a recording to use instead of the synthetic screen")
    arguments.add_argument("--measure", nargs=3, type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.measure:
        cv2.setNumThreads(1)
        measure(*chosen.measure)
        return
    with tempfile.TemporaryDirectory() as name:
        clip, video = Path(name) / "clip.mp4", Path(name) / "video.mp4"
        if chosen.clip:
            write_recording(chosen.clip, clip)
        else:
            write_clip(clip)
        repeat(clip, video, round(chosen.minutes * 60 / CLIP_S))
        folder = Path(name) / "measured"
        folder.mkdir()
        subprocess.run(
            [sys.executable, __file__, "--measure", str(clip), str(video), str(folder)], check=True
        )


if __name__ == "__main__":
    main()
