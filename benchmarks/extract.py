"""Speed, size and fidelity of the extraction, beside what else could do it, on the same file.

    python benchmarks/extract.py [VIDEO ...] [--runs 5] [--rates 5 1 all] [--formats]

Without a VIDEO three clips of 10 s are made: 1080p H.264 with B frames that no frame refers to (as hardware
recorders write them), 1080p H.264 without B frames, and interlaced 576-line MPEG-2; the tables then take
about 15 minutes on two idle cores. Every time is the median of the runs, in which the ways take turns.
``bare decode`` is ``ffmpeg -f null``. Times of ffmpeg hold the start of its process, those of Python not that
of Python. CPU seconds, summed over cores, move less with the load of the machine than seconds do. Memory and
several visits at once are measured by ``benchmarks/memory.py``.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.support.videos.pictures import read_picture
from eus_etl.domain.cells.statistics import codes_with_motion, measure
from eus_etl.domain.images.codec import encode_image
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.video.reader import decode
from eus_etl.domain.video.types import DecodeOptions
from eus_etl.settings import ExtractionConfig, ImageConfig
from eus_etl.steps.frame_extraction import extract_video

# OpenCV's reader complains of each interlaced frame; it reads this when the first video is opened
os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"

_HD = "testsrc2=size=1920x1080:rate=30:duration=10,noise=alls=6:allf=t,format=yuv420p"
_SD = "testsrc2=size=720x576:rate=25:duration=10,noise=alls=6:allf=t,setfield=tff,format=yuv420p"
_X264 = ["-c:v", "libx264", "-preset", "medium", "-crf", "23", "-g", "60", "-x264-params"]
SOURCES = {
    "h264_1080p.mp4": (_HD, [*_X264, "bframes=2:b-adapt=0:b-pyramid=none:scenecut=0"]),
    "h264_1080p_no_b.mp4": (_HD, [*_X264, "bframes=0"]),
    "mpeg2_576i.mpg": (
        _SD,
        ["-c:v", "mpeg2video", "-b:v", "8M", "-g", "12", "-bf", "2", "-flags", "+ilme+ildct"],
    ),
}
BARE, TO_JPEG, SCRIPT, OURS = "bare decode", "ffmpeg to JPEG", "OpenCV script, PNG", "eus-etl"


@dataclass(frozen=True)
class Cost:
    """Medians over the runs of one way, and what it made."""

    seconds: float
    cpu_seconds: float
    images: int
    image_bytes: int
    grid_bytes: int


Way = Callable[[Path, Path], object]
"""Gets images out of a video into an empty folder."""


def ffmpeg(video: Path, *arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(video), *arguments], check=True)


def bare_decode(video: Path, _: Path) -> None:
    ffmpeg(video, "-an", "-f", "null", "-")


def ffmpeg_to_jpeg(rate_hz: float | None) -> Way:
    sampling = ["-vf", f"fps={rate_hz}:round=up"] if rate_hz else ["-vsync", "passthrough"]

    def run(video: Path, folder: Path) -> None:
        ffmpeg(video, *sampling, "-q:v", "2", "-pix_fmt", "yuvj420p", str(folder / "%06d.jpg"))

    return run


def ours(rate_hz: float | None, image: ImageConfig) -> Way:
    extraction = ExtractionConfig(frame_rate_hz=rate_hz, image=image)

    def run(video: Path, folder: Path) -> None:
        images, grid = folder / "images", folder / "grid"
        images.mkdir()
        grid.mkdir()
        extract_video(video, "video", images, grid, extraction)

    return run


def opencv_script(rate_hz: float | None) -> Way:
    """Read every frame, write the wanted ones as PNG: the usual script."""

    def run(video: Path, folder: Path) -> None:
        capture = cv2.VideoCapture(str(video))
        every = round(capture.get(cv2.CAP_PROP_FPS) / rate_hz) if rate_hz else 1
        number = 0
        while True:
            found, picture = capture.read()
            if not found:
                break
            if number % every == 0:
                cv2.imwrite(str(folder / f"{number:06d}.png"), picture)
            number += 1

    return run


def measure_ways(video: Path, ways: dict[str, Way], runs: int, folder: Path) -> dict[str, Cost]:
    """The cost of each way; the ways take turns, so that load hits all alike."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    made: dict[str, tuple[int, int, int]] = {}
    for _ in range(runs):
        for name, run in ways.items():
            target = folder / "images_of_one_run"
            target.mkdir()
            start, cpu_start = time.perf_counter(), cpu_seconds()
            run(video, target)
            times[name].append((time.perf_counter() - start, cpu_seconds() - cpu_start))
            images = [path for suffix in ("jpg", "png") for path in target.rglob(f"*.{suffix}")]
            grid = sum(path.stat().st_size for path in target.glob("grid/*"))
            made[name] = (len(images), sum(path.stat().st_size for path in images), grid)
            shutil.rmtree(target)
    return {
        name: Cost(
            statistics.median(wall for wall, _ in taken),
            statistics.median(cpu for _, cpu in taken),
            *made[name],
        )
        for name, taken in times.items()
    }


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it started and that ended."""
    return sum(os.times()[:4])


def grid_cpu_seconds(video: Path, rate_hz: float | None) -> float:
    """CPU seconds that the grids of a video's kept frames take by themselves."""
    extraction = ExtractionConfig(frame_rate_hz=rate_hz)
    taken, before = 0.0, None
    for frame in decode(video, "video", options=DecodeOptions(rate_hz, skip=True)):
        picture = frame.picture()
        start = time.thread_time()
        cells = measure(picture, extraction.grid, frame.luma())
        codes_with_motion(cells, before)
        taken += time.thread_time() - start
        before = cells
    return taken


def luma_psnr(video: Path, folder: Path, image: ImageConfig, frames: int = 30) -> tuple[float, float]:
    """Mean PSNR of the luma of our images and of ffmpeg's, both against the decoded frame, dB."""
    ffmpeg_to_jpeg(None)(video, folder)
    values: list[tuple[float, float]] = []
    for number, frame in enumerate(decode(video, "video"), start=1):
        picture = frame.picture()
        found = folder / "ours.jpg"
        found.write_bytes(encode_image(picture, image).data)
        pair = (psnr(picture, read_picture(found)), psnr(picture, read_picture(folder / f"{number:06d}.jpg")))
        values.append(pair)
        if number == frames:
            break
    mean = np.array(values).mean(axis=0)
    return float(mean[0]), float(mean[1])


def psnr(one: Picture, other: Picture) -> float:
    return float(cv2.PSNR(cv2.cvtColor(one, cv2.COLOR_BGR2GRAY), cv2.cvtColor(other, cv2.COLOR_BGR2GRAY)))


def report(video: Path, rate_hz: float | None, runs: int, formats: bool, folder: Path) -> None:
    ways: dict[str, Way] = {BARE: bare_decode, TO_JPEG: ffmpeg_to_jpeg(rate_hz)}
    if rate_hz == 5:
        ways[SCRIPT] = opencv_script(rate_hz)
    ways[OURS] = ours(rate_hz, ImageConfig())
    if formats:
        ways["eus-etl, chroma 444"] = ours(rate_hz, ImageConfig(chroma="444"))
        ways["eus-etl, PNG"] = ours(rate_hz, ImageConfig(format="png"))
    cost = measure_ways(video, ways, runs, folder)
    bare, jpeg = cost[BARE], cost[TO_JPEG]
    print(f"\n### {video.name}, {f'{rate_hz:g} Hz' if rate_hz else 'all frames'}\n")
    print("| way | s | of bare decode | of ffmpeg to JPEG | CPU s | of bare decode | images | KB an image |")
    print("|---|---|---|---|---|---|---|---|")
    for name, found in cost.items():
        kilobytes = f"{found.image_bytes / found.images / 1000:.0f}" if found.images else "-"
        print(
            f"| {name} | {found.seconds:.2f} | {found.seconds / bare.seconds:.2f} "
            f"| {found.seconds / jpeg.seconds:.2f} | {found.cpu_seconds:.2f} "
            f"| {found.cpu_seconds / bare.cpu_seconds:.2f} | {found.images or '-'} | {kilobytes} |"
        )
    mine = cost[OURS]
    goals = [
        (f"of {way}", mine.seconds / cost[way].seconds, most) for way, most in targets(video.name, rate_hz)
    ]
    goals.append(("grid, share of the pass's CPU", grid_cpu_seconds(video, rate_hz) / mine.cpu_seconds, 0.1))
    goals.append(("grid, share of the images' bytes", mine.grid_bytes / mine.image_bytes, 0.04))
    print("\n| target | found | at most | |\n|---|---|---|---|")
    for name, value, most in goals:
        print(f"| {name} | {value:.3f} | {most:.3f} | {'met' if value <= most else 'missed'} |")


def targets(name: str, rate_hz: float | None) -> list[tuple[str, float]]:
    """What our wall time may be of another way's; files that are not made here count as any other."""
    skips = name == "h264_1080p.mp4"
    if rate_hz == 5:
        return [(BARE, 0.95), (SCRIPT, 1 / 6)] if skips else [(BARE, 1.15), (TO_JPEG, 0.8)]
    if rate_hz == 1:
        return [(BARE, 0.8 if skips else 1.0)]
    return [] if rate_hz else [(TO_JPEG, 0.75)]


def cpu_model() -> str:
    """The processor's name, as Linux gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("videos", nargs="*", type=Path)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--rates", nargs="+", default=["5", "1", "all"], help="frames a second, or all")
    arguments.add_argument("--formats", action="store_true", help="chroma 444 and PNG too")
    chosen = arguments.parse_args()
    print(f"{cpu_model()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos: list[Path] = chosen.videos
        if not videos:
            for file, (picture, options) in SOURCES.items():
                videos.append(folder / file)
                made = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, *options, str(videos[-1])]
                subprocess.run(made, check=True)
        for video in videos:
            for rate in chosen.rates:
                report(video, None if rate == "all" else float(rate), chosen.runs, chosen.formats, folder)
            with tempfile.TemporaryDirectory() as pictures:
                us, them = luma_psnr(video, Path(pictures), ImageConfig())
            print(f"\nPSNR of luma against the decoded frame: eus-etl {us:.1f} dB, ffmpeg {them:.1f} dB")


if __name__ == "__main__":
    main()
