import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eus_etl.domain.cells.statistics import (
    CellGrid,
    FrameCells,
    GridScores,
    codes_with_motion,
    grid_geometry,
    measure,
)
from eus_etl.settings import GridConfig

CONFIG = GridConfig()
Picture = NDArray[np.uint8]


def speckle(seed: int, width: int = 320, height: int = 240) -> Picture:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    grey = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def grid_of(pictures: list[Picture], config: GridConfig = CONFIG) -> CellGrid:
    cells = [measure(picture, config) for picture in pictures]
    befores: list[FrameCells | None] = [None, *cells[:-1]]
    codes = [codes_with_motion(now, before) for now, before in zip(cells, befores, strict=True)]
    return CellGrid(0, cells[0].geometry, np.stack(codes))


def scores(grid: CellGrid) -> GridScores:
    return grid.score(np.ones((grid.geometry.rows, grid.geometry.cols)))


@given(st.integers(16, 2000), st.integers(16, 2000), st.sampled_from([64, 500, 512]), st.integers(4, 40))
def test_cells_cover_every_pixel_once(width: int, height: int, copy_px: int, block_px: int) -> None:
    geometry = grid_geometry(width, height, GridConfig(width_px=copy_px, block_px=block_px))
    assert geometry.copy_width_px == min(copy_px, width)
    assert geometry.counts.shape == (geometry.rows, geometry.cols)
    assert geometry.counts.min() >= 1
    assert geometry.counts.sum() == geometry.copy_width_px * geometry.copy_height_px
    for edges, size in ((geometry.x_edges_px, width), (geometry.y_edges_px, height)):
        assert edges[0] == 0
        assert edges[-1] == pytest.approx(size)
        assert (np.diff(edges) > 0).all()


@settings(max_examples=25)
@given(st.integers(0, 99), st.integers(100, 700), st.integers(64, 300))
def test_scores_of_the_whole_picture_are_those_of_its_pixels(seed: int, width: int, height: int) -> None:
    first, second = speckle(seed, width, height), speckle(seed + 1, width, height)
    found = scores(grid_of([first, second]))
    geometry = grid_geometry(width, height, CONFIG)
    size = (geometry.copy_width_px, geometry.copy_height_px)
    greys = [
        cv2.cvtColor(cv2.resize(p, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY).astype(float)
        for p in (first, second)
    ]
    laplacian = cv2.Laplacian(cv2.GaussianBlur(greys[1], (0, 0), 2.0), cv2.CV_64F)
    assert found.brightness[1] == pytest.approx(greys[1].mean(), abs=0.3)
    assert found.contrast[1] == pytest.approx(greys[1].std(), abs=0.3)
    # a picture wider than the copy is not reduced by averaging alone
    reduced = width > geometry.copy_width_px
    assert found.sharpness[1] == pytest.approx((laplacian**2).mean(), rel=0.1 if reduced else 0.06)
    change = np.abs(greys[1] - greys[0]).mean()
    assert found.motion[1] == pytest.approx(change, rel=0.1 if reduced else 0.01)
    assert found.color_fraction.tolist() == [0, 0]
    assert np.isnan(found.motion[0])


def test_statistics_of_regions_add_up() -> None:
    grid = grid_of([speckle(1), speckle(2)])
    counts = grid.geometry.counts
    left = np.zeros(counts.shape)
    left[:, :7] = 1.0
    whole, one, other = scores(grid), grid.score(left), grid.score(1 - left)
    share = (left * counts).sum() / counts.sum()
    for name in ("brightness", "sharpness", "motion", "color_fraction"):
        joined = share * getattr(one, name) + (1 - share) * getattr(other, name)
        np.testing.assert_allclose(getattr(whole, name), joined, equal_nan=True)


def test_only_the_region_counts() -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[:, 160:] = 200
    picture[:120, :160] = (0, 0, 255)
    grid = grid_of([picture])
    mask = np.zeros((240, 320), np.uint8)
    mask[:, 160:] = 1
    inside = grid.score(grid.geometry.cell_weights(mask))
    assert inside.brightness[0] == pytest.approx(200)
    assert inside.contrast[0] == pytest.approx(0, abs=1e-3)
    assert inside.color_fraction[0] == 0
    outside = grid.score(1 - grid.geometry.cell_weights(mask))
    assert outside.color_fraction[0] == pytest.approx(0.5, abs=1e-3)


def test_weights_are_the_share_of_each_cell_inside() -> None:
    geometry = grid_geometry(1000, 500, CONFIG)
    mask = np.zeros((500, 1000), np.uint8)
    cv2.circle(mask, (400, 200), 150, 1, -1)
    weights = geometry.cell_weights(mask)
    assert weights.shape == (geometry.rows, geometry.cols)
    assert weights.min() >= 0
    assert weights.max() == pytest.approx(1)
    covered = (weights * geometry.counts).sum() / geometry.counts.sum()
    assert covered == pytest.approx(mask.mean(), rel=0.01)


def test_a_region_without_pixels_has_no_scores() -> None:
    grid = grid_of([speckle(1)])
    nothing = grid.score(np.zeros((grid.geometry.rows, grid.geometry.cols)))
    assert np.isnan(nothing.brightness).all()
    assert np.isnan(nothing.contrast).all()


def test_small_changes_differ_from_no_change() -> None:
    still = speckle(1, 512, 384)
    moved = still.copy()
    moved[::16, ::16] ^= 4  # a change of 4 grey levels in one pixel of 256
    motion = scores(grid_of([still, still, moved])).motion
    assert motion[1] == 0
    assert motion[2] == pytest.approx(4 / 256, rel=0.3)


def test_blur_lowers_sharpness() -> None:
    sharp = speckle(1)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 3), np.uint8)
    found = scores(grid_of([sharp, blurred])).sharpness
    assert found[0] > 3 * found[1]


def test_statistic_of_each_cell() -> None:
    grid = grid_of([speckle(1), speckle(2)])
    brightness = grid.statistic("brightness")
    assert brightness.shape == (2, grid.geometry.rows, grid.geometry.cols)
    share = grid.geometry.counts / grid.geometry.counts.sum()
    np.testing.assert_allclose((brightness * share).sum((1, 2)), scores(grid).brightness, rtol=1e-5)
    assert np.isnan(grid.statistic("motion")[0]).all()
    assert np.isfinite(grid.statistic("motion")[1]).all()


def test_dhash_is_that_of_the_picture_not_of_its_scale() -> None:
    picture = speckle(7, 640, 480)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 20), np.uint8)
    small = np.asarray(cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA), np.uint8)
    hashes = [measure(p, CONFIG).dhash for p in (picture, small, speckle(8))]
    assert (hashes[0] ^ hashes[1]).bit_count() <= 4
    assert (hashes[0] ^ hashes[2]).bit_count() > 10
    assert 0 < measure(picture, CONFIG).dhash < 1 << 64
