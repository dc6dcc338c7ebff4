import numpy as np

from benchmarks.support.screens.screens import HEIGHT, SECTOR, WIDTH
from eus_etl.domain.plots.contact_sheet import PAGE_BYTES, contact_sheet, for_page, region_outline, with_time


def test_an_outline_shows_the_polygon_and_nothing_else() -> None:
    picture = region_outline(SECTOR, WIDTH, HEIGHT)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    background = picture[0, 0]
    drawn = (picture != background).any(axis=2)
    assert all(drawn[y, x] for x, y in SECTOR)
    assert not drawn[120, 160]
    assert drawn.mean() < 0.05


def test_a_contact_sheet_has_a_tile_a_picture() -> None:
    grey = [np.full((32, 32), 50 * number, np.uint8) for number in range(1, 5)]
    color = np.full((64, 64, 3), (0, 0, 200), np.uint8)
    sheet = contact_sheet([*grey, color], columns=3, tile_px=16)
    assert sheet.shape == (32, 48, 3)
    assert (sheet[0, ::16] == [[50] * 3, [100] * 3, [150] * 3]).all()
    assert (sheet[31, 16:32] == (0, 0, 200)).all()
    assert not sheet[16:, 32:].any()


def test_a_contact_sheet_of_nothing_is_black() -> None:
    assert not contact_sheet([], columns=2, tile_px=8).any()


def test_a_picture_for_the_page_keeps_to_its_bytes_whatever_it_shows() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3)).astype(np.uint8)
    shown = for_page(noise)
    assert len(shown) <= PAGE_BYTES
    assert shown[:4] == b"RIFF"
    assert for_page(noise) == shown


def test_a_time_is_legible_on_black_and_on_white() -> None:
    for shade in (0, 255):
        tile = with_time(np.full((64, 64), shade, np.uint8), "1:05", 64)
        corner = tile[48:, :40].astype(int)
        assert corner.max() - corner.min() > 150
        assert (tile[:40] == shade).all()
