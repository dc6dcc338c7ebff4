import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.support.hospitals.visits import grid_of
from benchmarks.support.screens.screens import SECTOR, colored, screen, speckle
from eus_etl.domain.cells.statistics import GridGeometry
from eus_etl.domain.quality.contact_loss import BEAMS, beam_weights, shadow_fractions
from eus_etl.domain.screen.region import NO_POLYGON, Polygon
from eus_etl.sample.fields import FieldKind, make_field

KINDS: tuple[FieldKind, ...] = ("convex", "linear", "radial")
GEOMETRY = GridGeometry(480, 360, 480, 360, 16)
FRAMES = 20


def field_of(kind: FieldKind) -> Polygon:
    return make_field(kind, 480, 360).polygon


def shadowed(
    kind: FieldKind, start: float, stop: float, dark_frames: range, top: float = 0.0
) -> NDArray[np.float64]:
    """Shadow fractions where speckle is dark from ``start`` to ``stop`` across and below ``top`` along."""
    rng, field = np.random.default_rng(3), make_field(kind, 480, 360)
    pictures = []
    for frame in range(FRAMES):
        beams = np.asarray(np.clip(80 + 25 * rng.standard_normal((208, 160)), 0, 255), np.uint8)
        if frame in dark_frames:
            beams[int(top * 208) :, int(start * 160) : int(stop * 160)] //= 12
        picture = np.zeros((360, 480), np.uint8)
        picture[field.box] = field.scan_convert(beams)
        pictures.append(colored(picture))
    return shadow_fractions(grid_of(pictures), field.polygon, np.ones(FRAMES, np.bool_))


@pytest.mark.parametrize("kind", KINDS)
def test_every_place_of_the_field_lies_on_a_beam_and_beams_are_alike(kind: FieldKind) -> None:
    weights = beam_weights(GEOMETRY, field_of(kind))
    assert weights is not None
    assert weights.shape == (GEOMETRY.rows * GEOMETRY.cols, BEAMS)
    lengths = weights.sum(axis=0)
    assert lengths.min() > 0.6 * lengths.max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.2, 0.4, 1.0])
def test_the_share_of_dark_beams_is_found(kind: FieldKind, share: float) -> None:
    start = 0.0 if share == 1.0 else 0.3
    found = shadowed(kind, start, start + share, range(5))
    assert found[:5] == pytest.approx([share] * 5, abs=0.1)
    assert found[5:].max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_shadow_below_a_stone_is_no_lost_contact(kind: FieldKind) -> None:
    assert shadowed(kind, 0.3, 0.7, range(5), top=0.33).max() == 0


def test_what_is_always_dark_is_no_lost_contact() -> None:
    assert shadowed("convex", 0.3, 0.7, range(FRAMES)).max() == 0


def test_a_probe_that_hangs_in_the_air_for_half_of_the_recording_is_found() -> None:
    found = shadowed("linear", 0.0, 0.5, range(10))
    assert found[:10] == pytest.approx([0.5] * 10, abs=0.1)


def test_without_a_region_or_an_ordinary_frame_nothing_is_said() -> None:
    grid = grid_of([colored(screen(speckle(np.random.default_rng(1)))) for _ in range(3)])
    assert np.isnan(shadow_fractions(grid, NO_POLYGON, np.ones(3, np.bool_))).all()
    assert np.isnan(shadow_fractions(grid, SECTOR, np.zeros(3, np.bool_))).all()


def test_a_region_of_any_shape_is_endured() -> None:
    rng = np.random.default_rng(8)
    grid = grid_of([colored(screen(speckle(rng))) for _ in range(3)])
    for _ in range(60):
        corners = rng.integers(0, (319, 239), (int(rng.integers(3, 9)), 2)).astype(np.int32)
        polygon = np.asarray(cv2.convexHull(corners)[:, 0, :], np.int32)
        fractions = shadow_fractions(grid, polygon, np.ones(3, np.bool_))
        assert (np.isnan(fractions) | ((fractions >= 0) & (fractions <= 1))).all()
