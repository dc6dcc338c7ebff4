"""The search for leaks: copies are found whatever was done to them, and different people are not alike."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from benchmarks.support.videos.copied_videos import CHANGES, copy_changed, cut
from eus_etl.domain.preprocess import Preprocessor
from eus_etl.domain.release import leaks
from eus_etl.domain.release.leaks import LEAK_DISTANCE, LeakReport, find_leaks
from eus_etl.domain.release.likeness import Looks, shrink
from eus_etl.sample.echo import Phantom
from eus_etl.sample.fields import FieldKind, make_field
from eus_etl.settings import RecipeConfig

WIDTH, HEIGHT, FRAMES = 320, 240, 8
PEOPLE: dict[str, FieldKind] = {
    "ada": "convex",
    "ben": "convex",
    "cleo": "linear",
    "dan": "linear",
    "eve": "radial",
}
RECIPE = RecipeConfig(version=1, size_px=256)
Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A recording of each person, at 5 Hz, as the machine wrote it."""
    folder = tmp_path_factory.mktemp("recordings")
    return {name: record(folder / f"{name}.mkv", number, PEOPLE[name]) for number, name in enumerate(PEOPLE)}


@pytest.fixture(scope="module")
def seen(recordings: dict[str, Path]) -> dict[str, Looks]:
    """The looks of each person's recording."""
    return {name: looks_of(path, outline(PEOPLE[name])) for name, path in recordings.items()}


def record(path: Path, seed: int, kind: FieldKind) -> Path:
    phantom, field = Phantom(np.random.default_rng(seed)), make_field(kind, WIDTH, HEIGHT)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for number in range(FRAMES):
            screen = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            screen[field.box] = field.scan_convert(phantom.beams(number / 5))[:, :, None]
            target.mux(stream.encode(av.VideoFrame.from_ndarray(screen, format="bgr24")))
        target.mux(stream.encode(None))
    return path


def outline(kind: FieldKind) -> NDArray[np.float64]:
    return make_field(kind, WIDTH, HEIGHT).polygon.astype(np.float64)


def moved_outline(kind: FieldKind, change: str) -> NDArray[np.float64]:
    """Where the field is in a changed copy, as a person would draw it."""
    corners = outline(kind)
    width, height = WIDTH, HEIGHT
    if change in ("cropped", "all_at_once"):
        corners = corners - (round(0.03 * width), round(0.06 * height))
        width, height = round(0.93 * width) - round(0.03 * width), round(0.96 * height) - round(0.06 * height)
    if change in ("scaled", "all_at_once"):
        corners, width, height = corners * 0.7, round(width * 0.7), round(height * 0.7)
    if change in ("mirrored", "all_at_once"):
        corners = (width - 1, 0) + corners * (-1, 1)
    return corners.clip(0, (width // 2 * 2 - 1, height // 2 * 2 - 1))


def looks_of(video: Path, corners: NDArray[np.float64]) -> Looks:
    """The looks of a video's masked pictures."""
    return Looks.of(np.stack([shrink(picture) for picture in masked(video, corners)]))


def masked(video: Path, corners: NDArray[np.float64]) -> Iterator[Picture]:
    polygon = np.rint(corners).astype(np.int32)
    with av.open(str(video)) as source:
        for frame in source.decode(video=0):
            picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            prepare = Preprocessor(polygon, picture.shape[1], picture.shape[0], RECIPE)
            yield prepare.apply(picture).picture


def search(training: dict[str, Looks], held_out: dict[str, Looks]) -> LeakReport:
    """Look for ``held_out`` in ``training``, nobody and no file being known to be shared."""
    rows = [
        (f"{split}/{name}/{number}", split, f"{split} video {name}", None, f"{split} visit {name}")
        for split, people in (("train", training), ("test", held_out))
        for name, looks in people.items()
        for number in range(len(looks))
    ]
    schema = dict.fromkeys(("frame_id", "split", "video", "person", "visit"), pl.String())
    return find_leaks(
        pl.DataFrame(rows, schema, orient="row"), Looks.joined([*training.values(), *held_out.values()])
    )


@pytest.mark.parametrize("change", list(CHANGES))
def test_every_frame_of_a_changed_copy_is_found(
    recordings: dict[str, Path], seen: dict[str, Looks], change: str, tmp_path: Path
) -> None:
    copies = {
        name: looks_of(
            copy_changed(path, tmp_path / f"{name}.mp4", change), moved_outline(PEOPLE[name], change)
        )
        for name, path in recordings.items()
    }
    report = search(seen, copies)
    assert report.verdict == f"{report.held_out} of {report.held_out}" == "40 of 40"
    assert report.alike == 40
    found = report.table.select(pl.col("frame_id", "nearest_frame_id").str.split("/").list.get(1))
    assert found["frame_id"].equals(found["nearest_frame_id"], check_names=False)


def test_two_parts_of_one_recording_are_a_leak(recordings: dict[str, Path], tmp_path: Path) -> None:
    parts = [
        {name: looks_of(cut(path, tmp_path / f"{name}{start}.mp4", start / 25, stop / 25),
         outline(PEOPLE[name])) for name, path in recordings.items()}
        for start, stop in ((0, 4), (4, 8))
    ]  # fmt: skip
    report = search(*parts)
    found = report.leaking["frame_id"].str.split("/").list.get(1)
    assert set(found) == set(PEOPLE)


@pytest.mark.parametrize("name", list(PEOPLE))
def test_other_people_on_the_same_machine_are_not_alike(seen: dict[str, Looks], name: str) -> None:
    others = {other: looks for other, looks in seen.items() if other != name}
    report = search(others, {name: seen[name]})
    assert report.verdict == f"0 of {FRAMES}"
    assert report.table["distance"].to_numpy().min() > LEAK_DISTANCE + 0.05


def test_pictures_without_texture_are_like_nothing() -> None:
    """Of one outline, as a machine without contact shows it: grey, then black."""
    mask = make_field("convex", 256, 256).mask(256, 256)
    grey = Looks.of(np.stack([shrink((mask * level).astype(np.uint8)) for level in (0, 40, 90)]))
    assert search({"one": grey}, {"other": grey}).verdict == "0 of 3"


def test_shared_files_and_people_are_leaks_whatever_they_look_like(seen: dict[str, Looks]) -> None:
    frames = pl.DataFrame(
        [
            ("t1", "train", "vA", "s1", "p1"),
            ("t2", "train", "vB", None, "p2"),
            ("h1", "test", "vA", None, "p3"),
            ("h2", "validation", "vC", "s1", "p4"),
            ("h3", "test", "vD", None, "p2"),
            ("h4", "test", "vE", None, "p5"),
        ],
        ["frame_id", "split", "video", "person", "visit"],
        orient="row",
    )
    first = np.array([0])
    pick = [seen["ada"].at(first), seen["ben"].at(first), *[seen["eve"].at(first)] * 4]
    report = find_leaks(frames, Looks.joined(pick))
    flags = report.table.select("frame_id", "shared_video", "shared_subject").rows()
    assert flags == [("h1", True, False), ("h2", False, True), ("h3", False, True), ("h4", False, False)]
    assert set(report.leaking["frame_id"]) == {"h1", "h2", "h3"}
    assert (report.verdict, report.alike, report.shared_video, report.shared_subject) == ("3 of 4", 0, 1, 2)


@pytest.mark.parametrize("missing", ["train", "test"])
def test_a_release_with_one_side_only(seen: dict[str, Looks], missing: str) -> None:
    one = {"ada": seen["ada"]}
    report = search({}, one) if missing == "train" else search(one, {})
    assert report.leaking.is_empty()
    assert (
        report.table["nearest_frame_id"].null_count() == report.held_out == (8 if missing == "train" else 0)
    )


def test_blocks_and_stretches_change_nothing(seen: dict[str, Looks], monkeypatch: pytest.MonkeyPatch) -> None:
    training, held_out = {name: seen[name] for name in ("ada", "ben", "cleo")}, {"dan": seen["dan"]}
    whole = search(training, held_out).table
    for name, value in (("_QUERIES", 3), ("_TRAINING", 5), ("_STRETCH", 100)):
        monkeypatch.setattr(leaks, name, value)
    assert search(training, held_out).table.equals(whole)
