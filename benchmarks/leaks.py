"""How long the search for leaks takes, and what memory it needs, as a release grows: ``--frames`` at the
most.

Looks are of made pictures, moving slowly, 200 to a video; a third of the videos is held out. Reading and
decoding a picture is measured by itself, on a PNG of 512 px.
"""

import argparse
import resource
import time

import cv2
import numpy as np
import polars as pl

from eus_etl.domain.images.codec import decode_image, encode_png
from eus_etl.domain.release.leaks import find_leaks
from eus_etl.domain.release.likeness import Looks, shrink

_VIDEO = 200
_SIDE_PX = 64


def looks_of(videos: int) -> Looks:
    """Looks of made videos, ``_VIDEO`` frames each."""
    parts = []
    for number in range(videos):
        rng = np.random.default_rng(number)
        tissue = cv2.GaussianBlur(
            rng.standard_normal((_SIDE_PX * 2, _SIDE_PX * 4)).astype(np.float32), (0, 0), 2
        )
        grey = np.clip(tissue / tissue.std() * 40 + 110, 7, 255).astype(np.uint8)
        starts = [(at // 4, at // 2) for at in range(_VIDEO)]
        shown = np.stack([grey[y : y + _SIDE_PX, x : x + _SIDE_PX] for y, x in starts])
        parts.append(Looks.of(shown))
    return Looks.joined(parts)


def frames_of(videos: int) -> pl.DataFrame:
    """Their rows: every third video is held out."""
    number = pl.int_range(videos * _VIDEO)
    video = (number // _VIDEO).cast(pl.String)
    return pl.select(
        number.cast(pl.String).alias("frame_id"),
        pl.when(number // _VIDEO % 3 == 0).then(pl.lit("test")).otherwise(pl.lit("train")).alias("split"),
        video.alias("video"),
        video.alias("person"),
        video.alias("visit"),
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--frames", type=int, default=100_000)
    most = arguments.parse_args().frames // _VIDEO
    rng = np.random.default_rng(0)
    speckle = cv2.GaussianBlur(rng.normal(110, 60, (512, 512)), (0, 0), 1.2).clip(7, 255).astype(np.uint8)
    data = encode_png(speckle)
    started = time.perf_counter()
    for _ in range(50):
        picture = decode_image(data, "grey")
        if picture is not None:
            shrink(picture)
    print(f"reading a PNG of 512 px: {(time.perf_counter() - started) / 50 * 1e3:.1f} ms")
    started = time.perf_counter()
    looks = looks_of(most)
    print(f"a look: {(time.perf_counter() - started) / len(looks) * 1e3:.2f} ms")
    print("  frames  held out       s   CPU s  ms/held-out frame  MB at most  leaks")
    videos = max(1, most // 8)
    while videos <= most:
        count = videos * _VIDEO
        started, cpu = time.perf_counter(), time.process_time()
        report = find_leaks(frames_of(videos), looks.at(np.arange(count)))
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        each = took / max(1, report.held_out) * 1e3
        figures = f"{count:8}{report.held_out:10}{took:8.1f}{cpu:8.1f}{each:19.2f}{memory:12.0f}"
        print(f"{figures}  {report.verdict}")
        videos *= 2


if __name__ == "__main__":
    main()
