"""Damaged videos and records: what they cost beside themselves.

    python benchmarks/hostile.py [--media 500] [--records 500] [--seed 1]

Videos of every container at hand, made here and real ones where they lie beside the checkout, are damaged
and read as an upload is. Items, sheets and corrections are damaged and observed, and their visits' labels and
facts are made. Each must end as frames or rows, or as a rejection with a reason; else the exit code is 1.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from benchmarks.support.mutations import mutated, with_header_of
from benchmarks.support.places import SHARED
from benchmarks.support.videos.dicom_files import write_dicom
from benchmarks.support.videos.small_videos import Codec, evenly, write_video
from eus_etl.errors import EusEtlError, VideoUnreadableError
from eus_etl.settings import ExtractionConfig, ReadingConfig
from eus_etl.steps.labels import make_labels
from eus_etl.steps.observation.connect import connect
from eus_etl.steps.observation.observe import observe
from eus_etl.steps.observation.snapshot import (
    SOURCES,
    attributes_of,
    known_visits,
    region_rows_of,
    rows_of,
    subject_of,
    sync_rows_of,
)
from eus_etl.steps.patients import make_patient
from eus_etl.steps.video_reader.reader import end_idle_readers, extract_apart

CONTAINERS = ("mp4", "mov", "mkv", "avi", "mpg", "ts", "webm", "flv", "mxf", "dcm")
LARGEST_REAL = 4 << 20
"""Bytes: larger real clips would measure decoding."""

READING = ReadingConfig(no_progress_s=20)
FRAMES = 20


@dataclass
class Outcomes:
    """What became of the inputs of one kind."""

    ends: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """Count how the block ends: rejections are expected, other errors are failures."""
        start = time.monotonic()
        try:
            yield
        except VideoUnreadableError as error:
            self.ends[error.reason] += 1
        except EusEtlError as error:
            self.ends[type(error).__name__] += 1
        except Exception as error:  # what must not happen is counted
            self.failures.append(f"{name}: {type(error).__name__}: {error}")
        self.slowest_s = max(self.slowest_s, time.monotonic() - start)


Damage = Callable[[int, random.Random, Path], dict[str, Outcomes]]
"""Damages and reads so many inputs in a folder; returns what became of them by kind."""


def whole_videos(folder: Path) -> dict[str, list[bytes]]:
    """Videos by container: small ones made here, and small real ones where they are at hand."""
    found: dict[str, list[bytes]] = {}
    codecs: dict[str, Codec] = {"mpg": "mpeg2video", "mxf": "mpeg2video", "avi": "mpeg4"}
    for ending in CONTAINERS:
        file = folder / f"whole.{ending}"
        if ending == "dcm":
            write_dicom(file)
        elif ending == "webm":
            whole = write_video(folder / "whole.mkv", evenly(40, FRAMES), options={"bf": "0"})
            file.write_bytes(whole.read_bytes())  # Matroska under another name
        else:
            codec: Codec = codecs.get(ending, "libx264")
            write_video(file, evenly(1, FRAMES), Fraction(1, 25), codec, options={"bf": "0"})
        found[ending] = [file.read_bytes()]
    for real in sorted(SHARED.glob("clips/*")) + sorted(SHARED.glob("odd_media/*")):
        ending = real.suffix.lstrip(".").lower()
        if real.is_file() and real.suffix not in (".md", ".mp3") and real.stat().st_size <= LARGEST_REAL:
            found.setdefault(ending, []).append(real.read_bytes())
    return found


def read_media(count: int, choice: random.Random, folder: Path) -> dict[str, Outcomes]:
    """Damage and read ``count`` videos, in turn of every container."""
    whole = whole_videos(folder)
    everything = [data for videos in whole.values() for data in videos]
    outcomes = {ending: Outcomes() for ending in whole}
    extraction = ExtractionConfig(frame_rate_hz=None)
    endings = list(whole)
    for number in range(count):
        ending = endings[number % len(endings)]
        data = choice.choice(whole[ending])
        if choice.random() < 0.1:
            data = with_header_of(data, choice.choice(everything), choice)
        data = mutated(data, choice)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            file, images = Path(place) / f"upload.{ending}", Path(place) / "images"
            file.write_bytes(data)
            images.mkdir()
            with outcomes[ending].one(f"{ending} {number}"):
                made = extract_apart(file, f"v{number}", images, None, extraction, READING)
                if made.frames.height != len(list(images.iterdir())):
                    raise RuntimeError("rows and images differ")
                outcomes[ending].ends["frames"] += 1
    return outcomes


def observe_records(count: int, choice: random.Random, folder: Path) -> dict[str, Outcomes]:
    """Damage a file of records, observe all sources, and make what depends on records."""
    hospital = TinyHospital(folder / "hospital")
    study, paths = hospital.study, hospital.paths
    paths.data.mkdir(parents=True)
    paths.sync_csv.write_text(f"patient_id,offset_s,scale,method,by\n{ONE},0.2,1,clock,xx\n")
    paths.regions_csv.write_text(f'patient_id,video_id,polygon\n{ONE},,"40,20 280,20 280,170 40,170"\n')
    files = {
        "items": folder / "hospital" / "incoming" / "items.json",
        "rows": folder / "hospital" / "incoming" / "patients.csv",
        "sync": paths.sync_csv,
        "regions": paths.regions_csv,
    }
    whole = {kind: file.read_bytes() for kind, file in files.items()}
    outcomes = {kind: Outcomes() for kind in files}
    for number in range(count):
        kind = list(files)[number % len(files)]
        damage = damaged_values if kind == "items" and choice.random() < 0.5 else mutated
        files[kind].write_bytes(damage(whole[kind], choice))
        sources = connect(study)
        for source in SOURCES:
            with outcomes[kind].one(f"{kind} {number}"):
                seen = observe(study, sources, source)
                outcomes[kind].ends["rejected" if seen.rejected else "taken"] += 1
        for patient in known_visits(paths, [ONE, TWO]):
            with outcomes[kind].one(f"{kind} {number}"):
                attributes = attributes_of(paths, patient)
                make_labels(study, patient, attributes)
                make_patient(study, patient, attributes, rows_of(paths, patient), subject_of(paths, patient))
                sync_rows_of(paths, patient)
                region_rows_of(paths, patient)
        files[kind].write_bytes(whole[kind])
    return outcomes


_ODD: tuple[object, ...] = (
    None, True, -1, 0, 10**400, 1e308, "", "nan", "inf", "-00:00:01", "99:99:99", "00:00:00\x00", "=1+1",
    "\ud800", "\u0660\u0660:\u0660\u0660:\u0660\u0661", "a" * 100_000, [], {}, [[[]]],
    {"S": {"M": {}}}, {"N": "1e999"}, {"S": "00:00:01", "N": "2"},
)  # fmt: skip


def damaged_values(data: bytes, choice: random.Random) -> bytes:
    """Items that are JSON, with odd values, keys of other items, and keys that nobody knows."""
    items = json.loads(data)
    for _ in range(choice.choice((1, 3))):
        item = choice.choice(items)
        key = choice.choice([*item, "Start Station 9 1", "Stop Station 1", "Start", "pk"])
        item[key] = choice.choice(_ODD)
    if choice.random() < 0.2:
        items.append(choice.choice(_ODD))
    return json.dumps(items).encode()


def show(title: str, outcomes: dict[str, Outcomes]) -> list[str]:
    """Print a table; returns what failed."""
    print(f"| {title} | inputs | ended as | slowest, s | failures |\n|---|---|---|---|---|")
    for kind, found in outcomes.items():
        ends = ", ".join(f"{end} {count}" for end, count in found.ends.most_common())
        inputs = found.ends.total() + len(found.failures)
        print(f"| {kind} | {inputs} | {ends} | {found.slowest_s:.1f} | {len(found.failures)} |", flush=True)
    print()
    return [failure for found in outcomes.values() for failure in found.failures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--media", type=int, default=500)
    parser.add_argument("--records", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    runs: tuple[tuple[str, int, Damage], ...] = (
        ("container", options.media, read_media),
        ("records", options.records, observe_records),
    )
    failures = []
    for title, count, run in runs:
        with tempfile.TemporaryDirectory() as folder:
            failures += show(title, run(count, random.Random(options.seed), Path(folder)))
    end_idle_readers()  # the system counts what has ended
    readers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory at most: {readers:.0f} MB in a reader, {own:.0f} MB in this process")
    for failure in failures:
        print(failure)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
