"""The phantom's pictures do what the plan says of them: move, freeze, blur, colour, go dark."""

from datetime import datetime
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from eus_etl.sample import barcode
from eus_etl.sample.fields import DEPTHS, LINES, FieldKind, make_field, split_fields
from eus_etl.sample.phantom import make_report, make_screen, make_split_screen, pictures
from eus_etl.sample.plan import EPISODE_KINDS, Episode, Person, Recording, Visit
from eus_etl.sample.screen import TextBox

RATE_HZ = 10
KINDS: list[FieldKind] = ["convex", "linear", "radial"]
SIZES = [(480, 360), (512, 384), (320, 240)]
EPISODES = (
    Episode("no_signal", 0, 1),
    Episode("frozen", 3, 5),
    Episode("color_mode", 5, 6),
    Episode("blurred", 6, 7),
    Episode("optical_view", 7, 8),
    Episode("split_layout", 8, 9),
    Episode("report_screen", 9, 10),
    Episode("low_contact", 10, 11),
)
RECORDING = Recording(("v.mp4",), "libx264", "mp4", RATE_HZ, 11, EPISODES)

Picture = npt.NDArray[np.uint8]


def visit(kind: FieldKind, size: tuple[int, int] = (480, 360)) -> Visit:
    person = Person("Eulalia", "Oberhuemer", "12345678")
    return Visit(person, "id", None, datetime(2025, 3, 3, 9, 59, 58), kind, size, (RECORDING,), offset_s=2.0)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> FieldKind:
    found: FieldKind = request.param
    return found


@pytest.fixture(scope="module")
def shown(kind: FieldKind) -> list[Picture]:
    return list(pictures(visit(kind), RECORDING, np.random.default_rng(3)))


@pytest.fixture(scope="module")
def field(kind: FieldKind) -> npt.NDArray[np.bool_]:
    """The field, less the pixels that its outline touches."""
    mask = make_field(kind, 480, 360).mask(360, 480).astype(np.uint8)
    return cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0


def during(start_s: float, stop_s: float) -> range:
    return range(round(start_s * RATE_HZ), round(stop_s * RATE_HZ))


def change(a: Picture, b: Picture, where: npt.NDArray[np.bool_]) -> float:
    return float(cv2.absdiff(a, b)[where].mean())


def coloured(picture: Picture, where: npt.NDArray[np.bool_]) -> float:
    chroma = picture.max(axis=2).astype(int) - picture.min(axis=2)
    return float((chroma[where] > 40).mean())


def sharpness(picture: Picture, where: npt.NDArray[np.bool_]) -> float:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float64)
    return float((cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 2), cv2.CV_64F) ** 2)[where].mean())


@pytest.mark.parametrize("size", SIZES)
def test_the_field_is_what_the_outline_says(kind: FieldKind, size: tuple[int, int]) -> None:
    width, height = size
    field = make_field(kind, width, height)
    lit = np.zeros((height, width), np.uint8)
    lit[field.box] = field.scan_convert(np.full((DEPTHS, LINES), 255, np.uint8))
    mask = field.mask(height, width)
    if kind == "radial":  # the probe itself, in the middle, shows no tissue
        mask &= ~(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3) > 0.8 * field.width / 2)
        lit[field.y + field.height // 2 - 20 :][:40, field.x + field.width // 2 - 20 :][:, :40] = 0
        mask[field.y + field.height // 2 - 20 :][:40, field.x + field.width // 2 - 20 :][:, :40] = False
    assert ((lit > 0) ^ mask).sum() < 0.02 * mask.sum()


@pytest.mark.parametrize("size", SIZES)
def test_field_texts_and_bar_code_keep_apart(kind: FieldKind, size: tuple[int, int]) -> None:
    width, height = size
    mask = make_field(kind, width, height).mask(height, width)
    assert not mask[-barcode.HEIGHT_PX - 8 :].any()
    for box in make_screen(visit(kind, size), RECORDING).texts:
        assert on_screen(box, size)
        assert not mask[box.y : box.y + box.height, box.x : box.x + box.width].any()


@pytest.mark.parametrize("size", SIZES)
def test_two_fields_stay_apart_and_a_name_is_where_the_one_field_was(
    kind: FieldKind, size: tuple[int, int]
) -> None:
    width, height = size
    left, right = (field.mask(height, width) for field in split_fields(kind, width, height))
    assert left.sum() == right.sum() > 0
    assert not (left & right).any()
    assert not (left[:, width // 2 :]).any()
    one = make_field(kind, width, height).mask(height, width)
    named = []
    for box in make_split_screen(visit(kind, size), RECORDING).texts:
        assert on_screen(box, size)
        where = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
        assert not (left | right)[where].any()
        named.append(box.identity and one[where].any())
    assert any(named)


@pytest.mark.parametrize("size", SIZES)
def test_texts_of_the_report_keep_apart_and_name_the_patient(kind: FieldKind, size: tuple[int, int]) -> None:
    texts = make_report(visit(kind, size), RECORDING).texts
    covered = np.zeros(size[::-1], int)
    for box in texts:
        assert on_screen(box, size)
        assert box.y + box.height <= size[1] - barcode.HEIGHT_PX
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert covered.max() == 1
    assert [box.text for box in texts if box.identity][:2] == ["Eulalia Oberhuemer", "ID 12345678"]


def on_screen(box: TextBox, size: tuple[int, int]) -> bool:
    return box.x >= 0 and box.y >= 0 and box.x + box.width <= size[0] and box.y + box.height <= size[1]


def test_every_frame_carries_its_number_and_procedure_time(shown: list[Picture]) -> None:
    assert [barcode.read(picture) for picture in shown] == [
        barcode.Barcode(number, 100 * number - 2000) for number in range(110)
    ]


def test_the_field_moves_and_decorrelates(shown: list[Picture], field: npt.NDArray[np.bool_]) -> None:
    scan = [shown[number] for number in during(1, 3)]
    assert min(change(a, b, field) for a, b in pairwise(scan)) > 2
    assert np.corrcoef(scan[0][field].ravel(), scan[-1][field].ravel())[0, 1] < 0.8


def test_a_freeze_keeps_the_field_while_the_clock_ticks(
    shown: list[Picture], field: npt.NDArray[np.bool_], kind: FieldKind
) -> None:
    still = [shown[number] for number in during(3, 5)]
    assert max(change(a, b, field) for a, b in pairwise(still)) == 0
    assert change(shown[29], shown[30], field) > 2
    clock = make_screen(visit(kind), RECORDING).texts[-1]
    assert clock.text == "09:59:58"
    where = np.zeros(field.shape, bool)
    where[clock.y : clock.y + clock.height, clock.x : clock.x + clock.width] = True
    ticks = [change(a, b, where) > 0 for a, b in pairwise(still)]
    assert ticks == [number == 9 for number in range(19)]


def test_doppler_colours_the_field_alone(shown: list[Picture], field: npt.NDArray[np.bool_]) -> None:
    flow = [shown[number] for number in during(5, 6)]
    assert min(coloured(picture, field) for picture in flow) > 0.03
    assert max(coloured(shown[number], field) for number in during(1, 5)) == 0
    outside = ~(cv2.dilate(field.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)
    assert max(coloured(picture, outside) for picture in flow) == 0


def test_blur_differs_clearly_from_ordinary_frames(
    shown: list[Picture], field: npt.NDArray[np.bool_]
) -> None:
    ordinary = np.log([sharpness(shown[number], field) for number in during(1, 3)])
    blurred = np.log([sharpness(shown[number], field) for number in during(6, 7)])
    spread = 1.4826 * np.median(np.abs(ordinary - np.median(ordinary)))
    assert blurred.max() < np.median(ordinary) - 6 * spread


def test_without_a_signal_only_the_bar_code_is_lit(shown: list[Picture]) -> None:
    for number in during(0, 1):
        assert shown[number][: -barcode.HEIGHT_PX].max() == 0


def test_the_optical_view_is_coloured_everywhere(shown: list[Picture], field: npt.NDArray[np.bool_]) -> None:
    views = [shown[number] for number in during(7, 8)]
    assert min(coloured(picture, ~field) for picture in views) > 0.8
    assert min(change(a, b, field) for a, b in pairwise(views)) > 1


def test_every_kind_of_episode_is_tried_here() -> None:
    assert {episode.kind for episode in EPISODES} == set(EPISODE_KINDS)


def test_a_split_screen_shows_two_moving_pictures(shown: list[Picture], kind: FieldKind) -> None:
    views = [shown[number] for number in during(8, 9)]
    for field in split_fields(kind, 480, 360):
        inside = field.mask(360, 480)
        assert min(change(a, b, inside) for a, b in pairwise(views)) > 2
    left, right = split_fields(kind, 480, 360)
    assert change(views[0][left.box], views[0][right.box], np.ones((left.height, left.width), bool)) > 2


def test_the_report_is_a_still_page(shown: list[Picture]) -> None:
    pages = [shown[number][: -barcode.HEIGHT_PX] for number in during(9, 10)]
    assert all(np.array_equal(page, pages[0]) for page in pages)
    assert np.median(pages[0]) > 200


def test_a_lifted_probe_leaves_a_dark_sector_from_its_surface_down(
    shown: list[Picture], field: npt.NDArray[np.bool_]
) -> None:
    usual = np.median([shown[number] for number in during(1, 3)], axis=0).mean(axis=2)
    for number in during(10, 11):
        dark = shown[number].mean(axis=2) < 0.3 * usual
        assert 0.25 < dark[field & (usual > 40)].mean() < 0.5


def test_the_name_is_inside_its_text_box(shown: list[Picture], kind: FieldKind) -> None:
    for box in make_screen(visit(kind), RECORDING).texts:
        inked = shown[15][box.y : box.y + box.height, box.x : box.x + box.width].max(axis=2) > 100
        assert 0.05 < inked.mean() < 0.6
