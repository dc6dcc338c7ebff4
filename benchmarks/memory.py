"""Memory of the extraction by length of the video, and what two visits at once take on these cores.

    python benchmarks/memory.py [--hours 3] [--runs 3]

A 1080p clip is looped without encoding it again to a minute and to hours; each is extracted by a process of
its own, whose largest resident size (VmHWM) is read from Linux. Before that, two processes extract a clip
each, at the same time and one after the other. About 5 minutes on two idle cores.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST_MB = 400
CLIP_S = 10
RATE_HZ = 5
PICTURE = f"testsrc2=size=1920x1080:rate={RATE_HZ}:duration={CLIP_S},format=yuv420p"
MOVING = "testsrc2=size=1920x1080:rate=30:duration=10,noise=alls=6:allf=t,format=yuv420p"
X264 = ["-c:v", "libx264", "-crf", "28", "-g", "50"]

EXTRACT = """
import sys
from pathlib import Path
from eus_etl.settings import ExtractionConfig
from eus_etl.steps.frame_extraction import extract_video

video, folder, rate_hz = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
images, grid = folder / "images", folder / "grid"
images.mkdir(parents=True)
grid.mkdir()
made = extract_video(video, "video", images, grid, ExtractionConfig(frame_rate_hz=rate_hz))
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(made.frames.height, int(peak.split()[1]) // 1024)
"""


def encode(picture: str, target: Path) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, *X264, str(target)], check=True)
    return target


def looped(clip: Path, seconds: int, target: Path) -> Path:
    """The clip again and again, its packets copied."""
    loop = ["ffmpeg", "-v", "error", "-stream_loop", str(seconds // CLIP_S - 1), "-i", str(clip)]
    subprocess.run([*loop, "-c", "copy", str(target)], check=True)
    return target


def start(video: Path, folder: Path, rate_hz: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", EXTRACT, str(video), str(folder), str(rate_hz)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Images made, and the largest resident size in MB."""
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"an extraction ended with {process.returncode}")
    images, peak_mb = said.split()
    return int(images), int(peak_mb)


def report_memory(hours: float, folder: Path) -> None:
    clip = encode(PICTURE, folder / "clip.mp4")
    print(f"\n| 1080p H.264, {RATE_HZ} frames a second, 0.2 kept | images | peak, MB | |")
    print("|---|---|---|---|")
    for name, seconds in (("1 minute", 60), (f"{hours:g} hours", round(hours * 3600))):
        video = looped(clip, seconds, folder / "looped.mp4")
        images, peak_mb = finish(start(video, folder / name, 0.2))
        video.unlink()
        print(f"| {name} | {images} | {peak_mb} | {'met' if peak_mb < MOST_MB else 'missed'} |")


def report_two_visits(runs: int, folder: Path) -> None:
    clip = encode(MOVING, folder / "moving.mp4")
    taken: dict[str, list[float]] = {"one after the other": [], "at once": []}
    for run in range(runs):
        for name, seconds in taken.items():
            begun = time.perf_counter()
            first = start(clip, folder / f"{run} {name} 1", 5)
            if name == "at once":
                second = start(clip, folder / f"{run} {name} 2", 5)
                finish(first)
            else:
                finish(first)
                second = start(clip, folder / f"{run} {name} 2", 5)
            finish(second)
            seconds.append(time.perf_counter() - begun)
    apart, together = (statistics.median(seconds) for seconds in taken.values())
    verdict = "met" if together <= apart else "missed"
    print("\n| two visits of 10 s of 1080p, 5 Hz | s | |\n|---|---|---|")
    print(f"| one after the other | {apart:.1f} | |\n| at once | {together:.1f} | {verdict} |")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--hours", type=float, default=3)
    arguments.add_argument("--runs", type=int, default=3)
    chosen = arguments.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as name:
        report_two_visits(chosen.runs, Path(name))
        report_memory(chosen.hours, Path(name))


if __name__ == "__main__":
    main()
