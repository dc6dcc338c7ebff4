"""Speed, size and fidelity of the extraction, beside what else could do it, on the same file.

    python -m benchmarks.extract [VIDEO ...] [--runs 5] [--rate 5]

Without a VIDEO two clips are made: 1080p H.264 and interlaced 576-line MPEG-2. Every time is the median of
the runs, which take turns; ``bare decode`` is ``ffmpeg -f null``. Times of ffmpeg hold the start of its
process, those of Python not that of Python. CPU seconds, summed over cores, move less with the load of the
machine than seconds do.
"""

import argparse
import os
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

from eus_etl.domain.decoded import Picture
from eus_etl.domain.image_codec import encode_image, read_image
from eus_etl.domain.video import decode
from eus_etl.settings import ExtractionConfig, ImageConfig
from eus_etl.steps.video_pass import extract_video

# OpenCV's reader complains of each interlaced frame; it reads this when the first video is opened
os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"

SECONDS = 20
SOURCES = {
    "h264_1080p.mp4": (
        f"testsrc2=size=1920x1080:rate=30:duration={SECONDS},noise=alls=6:allf=t,format=yuv420p",
        ["-c:v", "libx264", "-preset", "medium", "-crf", "23", "-g", "60"],
    ),
    "mpeg2_576i.mpg": (
        f"testsrc2=size=720x576:rate=25:duration={SECONDS},noise=alls=6:allf=t,setfield=tff,format=yuv420p",
        ["-c:v", "mpeg2video", "-b:v", "8M", "-g", "12", "-bf", "2", "-flags", "+ilme+ildct"],
    ),
}


@dataclass(frozen=True)
class Way:
    """One way to get images out of a video; ``run`` fills an empty folder."""

    name: str
    run: Callable[[Path, Path], None]


def ffmpeg(video: Path, *arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", str(video), *arguments], check=True)


def bare_decode(video: Path, _: Path) -> None:
    ffmpeg(video, "-an", "-f", "null", "-")


def ffmpeg_to_jpeg(rate_hz: float | None) -> Callable[[Path, Path], None]:
    sampling = ["-vf", f"fps={rate_hz}:round=up"] if rate_hz else ["-vsync", "passthrough"]

    def run(video: Path, folder: Path) -> None:
        ffmpeg(video, *sampling, "-q:v", "2", "-pix_fmt", "yuvj420p", str(folder / "%06d.jpg"))

    return run


def ours(rate_hz: float | None, image: ImageConfig) -> Callable[[Path, Path], None]:
    extraction = ExtractionConfig(frame_rate_hz=rate_hz, image=image)

    def run(video: Path, folder: Path) -> None:
        images, grid = folder / "images", folder / "grid"
        images.mkdir()
        grid.mkdir()
        extract_video(video, "video", images, grid, extraction)

    return run


def opencv_script(rate_hz: float | None) -> Callable[[Path, Path], None]:
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


@dataclass(frozen=True)
class Cost:
    """Medians over the runs of one way, and what it made."""

    seconds: float
    cpu_seconds: float
    images: int
    image_bytes: int


def measure_ways(video: Path, ways: list[Way], runs: int, folder: Path) -> dict[str, Cost]:
    """The cost of each way; the ways take turns, so that load hits all alike."""
    seconds: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
    made: dict[str, tuple[int, int]] = {}
    for _ in range(runs):
        for way in ways:
            target = folder / "images_of_one_run"
            target.mkdir()
            start, cpu_start = time.perf_counter(), cpu_seconds()
            way.run(video, target)
            seconds[way.name].append((time.perf_counter() - start, cpu_seconds() - cpu_start))
            images = [path for suffix in ("jpg", "png") for path in target.rglob(f"*.{suffix}")]
            made[way.name] = (len(images), sum(path.stat().st_size for path in images))
            shutil.rmtree(target)
    return {
        name: Cost(
            statistics.median(wall for wall, _ in times),
            statistics.median(cpu for _, cpu in times),
            *made[name],
        )
        for name, times in seconds.items()
    }


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it started and that ended."""
    return sum(os.times()[:4])


def luma_psnr(video: Path, folder: Path, image: ImageConfig, frames: int = 30) -> tuple[float, float]:
    """Mean PSNR of the luma of our images and of ffmpeg's, both against the decoded frame."""
    theirs, found = folder / "ffmpeg", folder / "ours"
    for target in (theirs, found):
        target.mkdir()
    limit = ["-frames:v", str(frames), "-vsync", "passthrough"]
    ffmpeg(video, *limit, "-q:v", "2", "-pix_fmt", "yuvj420p", str(theirs / "%06d.jpg"))
    values: list[tuple[float, float]] = []
    for number, frame in enumerate(decode(video, "video")):
        if number == frames:
            break
        picture = frame.picture()
        ours_path = found / "image.jpg"
        ours_path.write_bytes(encode_image(picture, image).data)
        values.append(
            (
                psnr(picture, read_image(ours_path)),
                psnr(picture, read_image(theirs / f"{number + 1:06d}.jpg")),
            )
        )
    mean = np.array(values).mean(axis=0)
    return float(mean[0]), float(mean[1])


def psnr(one: Picture, other: Picture) -> float:
    return float(cv2.PSNR(cv2.cvtColor(one, cv2.COLOR_BGR2GRAY), cv2.cvtColor(other, cv2.COLOR_BGR2GRAY)))


def report(video: Path, rate_hz: float | None, runs: int, folder: Path) -> None:
    ways = [
        Way("bare decode (ffmpeg -f null)", bare_decode),
        Way("ffmpeg to JPEG, -q:v 2", ffmpeg_to_jpeg(rate_hz)),
        Way("OpenCV script, PNG", opencv_script(rate_hz)),
        Way("eus-etl, JPEG 95 4:2:0", ours(rate_hz, ImageConfig())),
        Way("eus-etl, JPEG 95 4:4:4", ours(rate_hz, ImageConfig(chroma="444"))),
        Way("eus-etl, PNG", ours(rate_hz, ImageConfig(format="png"))),
    ]
    found = measure_ways(video, ways, runs, folder)
    bare, jpeg = found[ways[0].name], found[ways[1].name]
    sampling = f"{rate_hz:g} Hz" if rate_hz else "all frames"
    print(f"\n### {video.name}, {sampling}\n")
    print("| way | s | of bare decode | of ffmpeg to JPEG | CPU s | of bare decode | images | KB an image |")
    print("|---|---|---|---|---|---|---|---|")
    for name, cost in found.items():
        kilobytes = f"{cost.image_bytes / cost.images / 1000:.0f}" if cost.images else "-"
        print(
            f"| {name} | {cost.seconds:.2f} | {cost.seconds / bare.seconds:.2f} "
            f"| {cost.seconds / jpeg.seconds:.2f} | {cost.cpu_seconds:.2f} "
            f"| {cost.cpu_seconds / bare.cpu_seconds:.2f} | {cost.images or '-'} | {kilobytes} |"
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("videos", nargs="*", type=Path)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--rate", default="5", help="frames kept per second, or all")
    chosen = arguments.parse_args()
    rate_hz = None if chosen.rate == "all" else float(chosen.rate)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos: list[Path] = chosen.videos
        if not videos:
            for file, (picture, options) in SOURCES.items():
                videos.append(folder / file)
                made = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, *options, str(videos[-1])]
                subprocess.run(made, check=True)
        for video in videos:
            report(video, rate_hz, chosen.runs, folder)
            with tempfile.TemporaryDirectory() as pictures:
                us, them = luma_psnr(video, Path(pictures), ImageConfig())
            print(f"\nPSNR of luma against the decoded frame: eus-etl {us:.1f} dB, ffmpeg {them:.1f} dB")


if __name__ == "__main__":
    main()
