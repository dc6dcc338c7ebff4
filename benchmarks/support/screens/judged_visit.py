"""A screen with planted strings goes through the real steps; each string is judged by what became of it.

The steps are those of a visit: frames, regions, preprocessed frames, and the reading of these by the text
check. A string is gone if it is masked or its frames are left out, and held back if the check finds words
where it stands, or if the visit is blocked for its region.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import polars as pl

from benchmarks.support.hospitals.visits_of_videos import PATIENT, lay_out, study_at
from benchmarks.support.screens.ink import Box
from benchmarks.support.screens.judges import Piece, readers_of
from benchmarks.support.screens.planted_strings import RATE_HZ, Planted
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import PREPROCESSED, REGIONS
from eus_etl.settings import RecipeConfig, StudyConfig, TextCheckConfig
from eus_etl.steps.frames import extract_patient
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.regions.step import find_regions
from eus_etl.steps.release_blocks import blocked_patients
from eus_etl.steps.text_check.reading import Find, read_pictures
from eus_etl.steps.text_reader.processes import SeparateReader
from eus_etl.storage.extraction_store import load_rows, read_image
from eus_etl.storage.tables.parts import load_part

Outcome = Literal["masked", "left out", "found", "region blocked", "unreadable", "left"]

SIZE_PX = 512
_MARGIN_PX = 14
_NEAR_PX = 20
_CRF = "18"

_reader = SeparateReader()


@dataclass(frozen=True)
class Judged:
    """What became of a string.

    Attributes:
        planted: the string.
        before: the readers that read it on the extracted frame.
        after: the readers that read it on a preprocessed frame.
        outcome: why it is gone or held back, or that it is left.
    """

    planted: Planted
    before: frozenset[str]
    after: frozenset[str]
    outcome: Outcome


@dataclass(frozen=True)
class JudgedVisit:
    """A screen that went through the steps.

    Attributes:
        strings: what was planted, judged.
        finds: how often the text check found words.
        frames_covered: in how many frames something was found to have entered.
        region_blocks: whether the visit is blocked whatever the text check finds.
    """

    strings: Sequence[Judged]
    finds: int
    frames_covered: int
    region_blocks: bool


@dataclass(frozen=True)
class _Image:
    """A preprocessed frame, and its row, which says where the frame lies in it."""

    picture: Picture
    row: dict[str, float]

    def box(self, box: Box) -> Box:
        """A box of the screen in the picture."""
        x, y, width, height = box
        scale = self.row["scale"]
        return (
            round((x - self.row["crop_x"]) * scale + self.row["pad_x"]),
            round((y - self.row["crop_y"]) * scale + self.row["pad_y"]),
            max(1, round(width * scale)),
            max(1, round(height * scale)),
        )


def judge(pictures: Sequence[Picture], planted: Sequence[Planted]) -> JudgedVisit:
    """Run the steps on a video of the pictures, and judge each string."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_video(root / "screen.mp4", pictures)
        return judge_video(root, root / "screen.mp4", planted)


def judge_video(root: Path, video: Path, planted: Sequence[Planted]) -> JudgedVisit:
    """Run the steps on a video, and judge each string that is planted on its kept frames."""
    study, reading = (_study(root / "data", enabled) for enabled in ("never", "always"))
    lay_out(study, [video])
    extract_patient(study, PATIENT)
    regions = find_regions(reading, PATIENT, REGIONS.empty())
    preprocess_patient(study, PATIENT)
    paths = StudyPaths(study.root)
    frames = load_rows(paths, PATIENT).with_row_index("number")
    rows = load_part(paths, PREPROCESSED, PATIENT)
    finds = _finds(paths, frames, rows)
    blocked = PATIENT in blocked_patients(study)
    images = _images(paths, frames, rows)
    before = _read_before(paths, frames, planted)
    strings = [_judged(one, read, images, finds, blocked) for one, read in zip(planted, before, strict=True)]
    covered = int(str(regions.metadata["frames_covered"]))
    return JudgedVisit(strings, len(finds), covered, blocked)


def write_video(path: Path, pictures: Sequence[Picture]) -> None:
    """Encode pictures at ``RATE_HZ``, so that each of them is kept."""
    height, width = (side - side % 2 for side in pictures[0].shape[:2])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ, options={"crf": _CRF, "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _study(root: Path, enabled: Literal["never", "always"]) -> StudyConfig:
    """The shipped study with one recipe; with ``never`` no frame is read after masking: that is done here."""
    study = study_at(root, RATE_HZ)
    preprocess = study.preprocess.model_copy(
        update={
            "recipes": {"grey": RecipeConfig(version=1, size_px=SIZE_PX)},
            "text_check": TextCheckConfig(enabled=enabled),
        }
    )
    return study.model_copy(update={"preprocess": preprocess})


def _finds(paths: StudyPaths, frames: pl.DataFrame, rows: pl.DataFrame) -> list[Find]:
    """What the text check reads, layout by layout; spans count the video's kept frames."""
    numbers = dict(frames.select("frame_id", "number").iter_rows())
    config = TextCheckConfig()
    found: list[Find] = []
    for (layout_id,), of_layout in rows.group_by("layout_id", maintain_order=True):
        files, ids = of_layout["path"].to_list(), of_layout["frame_id"].to_list()

        def read(position: int, files: Sequence[str] = files) -> Picture:
            return _read(paths, files[position])

        for find in read_pictures(
            _reader, str(layout_id), len(files), read, config.frames_per_layout, strict=config.strict
        ):
            span = numbers[ids[find.first]], numbers[ids[find.stop - 1]] + 1
            found.append(Find(*span, find.x, find.y, find.w, find.h, find.words))
    return found


def _read(paths: StudyPaths, path: str) -> Picture:
    picture = cv2.imread(str(paths.root / path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise ValueError(path)
    return np.asarray(picture, np.uint8)


def _images(paths: StudyPaths, frames: pl.DataFrame, rows: pl.DataFrame) -> dict[int, _Image]:
    numbers = dict(frames.select("frame_id", "number").iter_rows())
    return {numbers[row["frame_id"]]: _Image(_read(paths, row["path"]), row) for row in rows.to_dicts()}


def _read_before(paths: StudyPaths, frames: pl.DataFrame, planted: Sequence[Planted]) -> list[frozenset[str]]:
    """The readers that read each string on an extracted frame that shows it at its best."""
    files = frames.select("frame_id", "path").rows()
    pieces = []
    for one in planted:
        number, box = _best(one)
        picture = read_image(paths, *files[number], grey=False)
        pieces.append(_piece(one, picture, box))
    return readers_of(pieces)


def _best(planted: Planted) -> tuple[int, Box]:
    """The middle of the frames that show it; the last where it fades in."""
    shown = sorted(planted.boxes)
    number = shown[-1] if planted.when == "fading" else shown[len(shown) // 2]
    return number, planted.boxes[number]


def _piece(planted: Planted, picture: Picture, box: Box) -> Piece:
    x, y, width, height = box
    rows = slice(max(0, y - _MARGIN_PX), max(1, y + height + _MARGIN_PX))
    cols = slice(max(0, x - _MARGIN_PX), max(1, x + width + _MARGIN_PX))
    piece = picture[rows, cols]
    shown = piece if piece.size else np.zeros((8, 8), np.uint8)
    return Piece(shown, height, planted.text, planted.code)


def _judged(
    planted: Planted,
    before: frozenset[str],
    images: dict[int, _Image],
    finds: Sequence[Find],
    blocked: bool,
) -> Judged:
    made = {number: images[number] for number in planted.boxes if number in images}
    boxes = {number: image.box(planted.boxes[number]) for number, image in made.items()}
    visible = [number for number, image in made.items() if _shows(image.picture, boxes[number])]
    if not visible:
        return Judged(planted, before, frozenset(), "masked" if made else "left out")
    found = any(
        find.first <= number < find.stop and _near(find, boxes[number])
        for find in finds
        for number in visible
    )
    held: Outcome | None = "found" if found else "region blocked" if blocked else None
    if held and planted.where != "outside":
        return Judged(planted, before, frozenset(), held)
    picked = {visible[len(visible) // 2], visible[-1]}
    read = readers_of([_piece(planted, made[number].picture, boxes[number]) for number in sorted(picked)])
    after = frozenset[str]().union(*read)
    # of a string over the border a part is masked: what is left of it is judged by whether it is read
    gone: Outcome = "masked" if planted.where == "border" else "unreadable"
    return Judged(planted, before, after, held or ("left" if after else gone))


def _shows(picture: Picture, box: Box) -> bool:
    """Whether anything of the box is not masked."""
    x, y, width, height = box
    piece = picture[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
    return bool(piece.any())


def _near(find: Find, box: Box) -> bool:
    x, y, width, height = box
    apart_x = abs(find.x + find.w / 2 - x - width / 2) - (find.w + width) / 2
    apart_y = abs(find.y + find.h / 2 - y - height / 2) - (find.h + height) / 2
    return max(apart_x, apart_y) <= _NEAR_PX / 4 and find.words > 0
