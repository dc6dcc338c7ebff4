from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eus_etl.domain.cells.statistics import CellGrid, codes_with_motion, grid_geometry, measure
from eus_etl.domain.images.codec import encode_image
from eus_etl.domain.video.reader import decode
from eus_etl.settings import GridConfig, ImageConfig
from eus_etl.storage.cell_store import GridWriter, load_grids, save_grids


def random_grid(segment: int, frames: int, width: int, seed: int) -> CellGrid:
    geometry = grid_geometry(width, 90, GridConfig(width_px=64, block_px=16))
    shape = (frames, 5, geometry.rows, geometry.cols)
    return CellGrid(segment, geometry, np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 600), st.integers(50, 300)), max_size=4), st.integers(0, 9))
def test_what_is_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, segments: list[tuple[int, int]], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("grids")
    grids = [random_grid(number, *segment, seed) for number, segment in enumerate(segments)]
    save_grids(folder, grids)
    loaded = load_grids(folder)
    assert [(grid.segment, grid.geometry) for grid in loaded] == [(g.segment, g.geometry) for g in grids]
    for saved, found in zip(grids, loaded, strict=True):
        assert (saved.codes == found.codes).all()


def test_equal_grids_give_equal_files(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        save_grids(folder, [random_grid(0, 300, 200, 1), random_grid(1, 3, 90, 2)])
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]


def test_a_writer_that_fails_leaves_no_index(tmp_path: Path) -> None:
    grid = random_grid(0, 3, 200, 1)
    with pytest.raises(RuntimeError), GridWriter(tmp_path) as writer:
        writer.begin_segment(grid.geometry)
        writer.add(grid.codes[0])
        raise RuntimeError
    with pytest.raises(FileNotFoundError):
        load_grids(tmp_path)


def test_grids_of_a_real_clip_are_small(shared: Path, tmp_path: Path) -> None:
    image_bytes, before = 0, None
    with GridWriter(tmp_path) as writer:
        for frame in decode(shared / "clips/DemoBMode.mov", "v1"):
            if frame.frame_index % 6 == 0:  # 5 a second
                picture = frame.picture()
                image_bytes += encode_image(picture, ImageConfig()).nbytes
                cells = measure(picture, GridConfig())
                if before is None:
                    writer.begin_segment(cells.geometry)
                writer.add(codes_with_motion(cells, before))
                before = cells
    assert load_grids(tmp_path)[0].frames == 75
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 0.04 * image_bytes
