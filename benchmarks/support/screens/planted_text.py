"""Text written over clips whose field is known, and what a reader of text makes of them.

The field of a real clip was drawn by hand (``field_polygons.json``), that of a synthetic one is the truth:
what the pipeline finds has no say in where "outside" is.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.support.places import DATA
from benchmarks.support.screens.sample_screens import sample_screen
from benchmarks.support.screens.tesseract import read_words
from eus_etl.domain.burned_in_text.likeness import darkest_and_brightest
from eus_etl.domain.images.codec import encode_image
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.preprocess import Geometry, Preprocessor
from eus_etl.domain.sampling import spread
from eus_etl.domain.screen.region import Region, find_region, mask
from eus_etl.domain.video.reader import decode
from eus_etl.sample.fields import FieldKind
from eus_etl.settings import ImageConfig, RecipeConfig, RegionConfig
from eus_etl.steps.text_check.reading import read_pictures
from eus_etl.steps.text_reader.processes import SeparateReader

PICTURES = 24
"""So many pictures of each clip are kept, spread over it."""
_READER = SeparateReader()

FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "STIXGeneral.ttf",
    "cmss10.ttf",
)
SIZES_PX = (14, 17, 20, 24, 30)
COLORS = {
    "white": (255, 255, 255),
    "grey": (190, 190, 190),
    "yellow": (80, 235, 255),
    "green": (90, 255, 120),
    "cyan": (255, 230, 90),
    "orange": (60, 165, 255),
}
_NAMES = (
    "SHARMA",
    "Mueller",
    "KUMARI",
    "Fernandes",
    "THOMPSON",
    "Okafor",
    "NAKAMURA",
    "Lindqvist",
    "Banerjee",
)
_GIVEN = ("Anita", "JANE", "Pieter", "ROHAN", "Maria", "Keiko")
_CLEARANCE_PX = 3
"""How exactly a field is drawn by hand."""
_TRIES = 60
_ALIKE = 0.75


@dataclass(frozen=True)
class Clip:
    """Pictures of one screen, BGR, and its field, (height, width) of bool."""

    name: str
    pictures: Sequence[Picture]
    field: NDArray[np.bool_]


@dataclass(frozen=True)
class Planted:
    """One string on the screen.

    Attributes:
        text: what stands there; a clock shows another text in each picture, this one in the first.
        box: x, y, width, height, in px of the screen.
        look: font, size and colour.
    """

    text: str
    box: tuple[int, int, int, int]
    look: str

    @property
    def token(self) -> str:
        """The longest run of letters or digits: the part that gives a person away."""
        runs = "".join(c if c.isalnum() else " " for c in self.text).split()
        return max(runs, key=len).casefold()

    def stands_in(self, words: Sequence[str], alike: float = 1.0) -> bool:
        """Whether a word is the token, or as like it as ``alike``, of 0 to 1, and shorter by one at most.

        Of dozens of short words that a reader takes speckle for, one is always like some name.
        """
        return any(
            self.token in word
            or (len(word) >= len(self.token) - 1 and SequenceMatcher(None, self.token, word).ratio() >= alike)
            for word in map(str.casefold, words)
        )


def real_clips(shared: Path) -> Iterator[Clip]:
    """The clips of real machines, with fields drawn by hand."""
    fields = json.loads((DATA / "field_polygons.json").read_text())
    for name, corners in fields.items():
        pictures = [frame.picture() for frame in decode(shared / "clips" / name, "0" * 12)]
        height, width = pictures[0].shape[:2]
        field = mask(np.array(corners, np.int32), width, height) > 0
        yield Clip(name, [pictures[place] for place in spread(len(pictures), PICTURES)], field)


def synthetic_clip(kind: FieldKind, seed: int) -> Clip:
    """A screen of the synthetic hospital."""
    screen = sample_screen(kind, seed)
    chosen = [screen.shown[place] for place in spread(len(screen.shown), PICTURES)]
    pictures = [np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8) for picture in chosen]
    return Clip(f"synthetic {kind} {seed}", pictures, screen.field)


def plant(clip: Clip, count: int, rng: random.Random, *, inside: bool) -> tuple[list[Picture], list[Planted]]:
    """The clip's pictures, as they are kept after extraction, with up to ``count`` strings written over them.

    Args:
        clip: the clip.
        count: strings wanted; fewer where there is no room.
        rng: chooses strings, looks and places.
        inside: whether they stand wholly inside the field, or wholly outside of it.
    """
    around = np.ones((2 * _CLEARANCE_PX + 1, 2 * _CLEARANCE_PX + 1), np.uint8)
    near = cv2.dilate(clip.field.astype(np.uint8), around) > 0
    taken = ~clip.field if inside else near.copy()
    canvases = [Image.fromarray(picture[:, :, ::-1]) for picture in clip.pictures]
    planted: list[Planted] = []
    for _ in range(count):
        text, ticking = _string(rng)
        font_name, size, color = rng.choice(FONTS), rng.choice(SIZES_PX), rng.choice(list(COLORS))
        font = ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / font_name), size)
        left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
        box_w, box_h = right - left + 4, bottom - top + 4
        if (place := _place(taken, box_w, box_h, rng)) is None:
            continue
        x, y = place
        taken[max(0, y - 6) : y + box_h + 6, max(0, x - 10) : x + box_w + 10] = True
        plate = rng.random() < 0.15
        for number, canvas in enumerate(canvases):
            draw = ImageDraw.Draw(canvas)
            shown = _ticked(text, number) if ticking else text
            ink = COLORS[color][::-1]
            if plate:  # dark letters on a plate
                draw.rectangle((x, y, x + box_w - 1, y + box_h - 1), fill=ink)
                ink = (10, 10, 10)
            draw.text((x + 2 - left, y + 2 - top), shown, fill=ink, font=font)
        look = f"{font_name.partition('.')[0]} {size} px {color}{' plate' if plate else ''}"
        planted.append(Planted(text, (x, y, box_w, box_h), look))
    return [_kept(canvas) for canvas in canvases], planted


def preprocessed(pictures: Sequence[Picture], region: Region, size_px: int | None = None) -> list[Picture]:
    """What the pipeline makes of the pictures, in grey.

    Args:
        pictures: BGR, of one size.
        region: what was found in them.
        size_px: side of the output; None: as large as the crop, so that scaling makes nothing unreadable.
    """
    height, width = pictures[0].shape[:2]
    geometry = Geometry.of(region.polygon, 512)
    recipe = RecipeConfig(version=1, size_px=size_px or max(512, geometry.crop_w, geometry.crop_h))
    preprocessor = Preprocessor(region.polygon, width, height, recipe)
    return [preprocessor.apply(picture).picture for picture in pictures]


def region_of(pictures: Sequence[Picture]) -> Region:
    """The region that is found in pictures of a screen."""
    return find_region([_grey(picture) for picture in pictures], RegionConfig())


def read(pictures: Sequence[Picture]) -> list[str]:
    """All that a reader makes out, sure or not: of the pictures together, and of the first alone."""
    grey = [_grey(picture) for picture in pictures]
    pages = [
        np.asarray(cv2.resize(page, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
        for page in (darkest_and_brightest(grey), 255 - grey[0])
    ]
    return [word for words in read_words("planted", pages, sure=False) for word in words]


def survivors(
    pictures: Sequence[Picture], planted: Sequence[Planted], region: Region | None = None
) -> tuple[int, list[Planted]]:
    """How many of the strings are read on the screen, and which of these are read after preprocessing.

    Before, a string counts as read if its token is read exactly; afterwards, if anything like it is.

    Args:
        pictures: BGR, of one size.
        planted: what was written over them.
        region: what is kept; None: what the pipeline finds in these very pictures.
    """
    before = read(pictures)
    readable = [string for string in planted if string.stands_in(before)]
    found = region or region_of(pictures)
    if not readable or not found.found:
        return len(readable), []
    after = read(preprocessed(pictures, found))
    return len(readable), [string for string in readable if string.stands_in(after, _ALIKE)]


def looked_at(pictures: Sequence[Picture], region: Region, size_px: int = 512) -> int:
    """How many words the text check reads in the preprocessed pictures."""
    made = preprocessed(pictures, region, size_px)
    return sum(find.words for find in read_pictures(_READER, "planted", len(made), made.__getitem__, whole=1))


def _string(rng: random.Random) -> tuple[str, bool]:
    """A name, date, number or clock; and whether it ticks."""
    day, month, year = rng.randint(10, 28), rng.randint(10, 12), rng.randint(1940, 2026)
    return rng.choice(
        [
            (f"{rng.choice(_NAMES)} {rng.choice(_GIVEN)}", False),
            (rng.choice(_NAMES), False),
            (f"ID {rng.randint(10**6, 10**7)}", False),
            (f"MRN{rng.randint(10**5, 10**6)}", False),
            (f"{day}.{month}.{year}", False),
            (f"{year}-{month}-{day}", False),
            (f"{rng.randint(10, 23)}{rng.randint(10, 59)}{rng.randint(10, 59)}", True),
        ]
    )


def _ticked(clock: str, number: int) -> str:
    return f"{int(clock) + number:0{len(clock)}}"


def _place(taken: NDArray[np.bool_], box_w: int, box_h: int, rng: random.Random) -> tuple[int, int] | None:
    """Where a box of the size covers nothing that is taken; None where none is hit upon."""
    height, width = taken.shape
    if box_w > width or box_h > height:
        return None
    for _ in range(_TRIES):
        x, y = rng.randint(0, width - box_w), rng.randint(0, height - box_h)
        if not taken[y : y + box_h, x : x + box_w].any():
            return x, y
    return None


def _kept(canvas: Image.Image) -> Picture:
    """A picture as it is read back from the image that it is kept in."""
    encoded = encode_image(np.ascontiguousarray(np.asarray(canvas, np.uint8)[:, :, ::-1]), ImageConfig())
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def _grey(picture: Picture) -> Picture:
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
