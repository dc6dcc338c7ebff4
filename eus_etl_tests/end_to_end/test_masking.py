"""The ultrasound region of each true screen, and that nothing outside of it reaches a preprocessed image."""

import shutil
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from benchmarks.support.videos.pictures import read_picture
from eus_etl.domain.tables import catalog
from eus_etl.sample import barcode
from eus_etl_tests.support.hospitals.demo_run import DemoStudy, filled, parse_outline

SLACK_PX = 2
"""Rounding of an outline's corners in the output."""
FAITHFUL = 3.0
"""Mean change in grey levels that scaling there and back may make; the next frame differs by thrice that."""

TRUE_SCREENS = {"ultrasound": "ultrasound", "split": "split_layout", "report": "report_screen"}
"""Screens of layouts, as the truth calls them."""

Row = dict[str, Any]


def test_regions_are_the_true_fields_and_hold_no_text(demo_study: DemoStudy) -> None:
    texts = demo_study.truth("text_boxes")
    layouts = layouts_with_truth(demo_study)
    assert set(layouts["video_id"]) == set(demo_study.true_videos["video_id"])
    for layout in layouts.iter_rows(named=True):
        if layout["screen"] == "report":
            assert layout["polygon"] is None
            continue
        size = layout["width"], layout["height"]
        found = filled(parse_outline(layout["polygon"]), *size)
        if layout["screen"] == "ultrasound":
            true = filled(parse_outline(layout["true_polygon"]), *size)
            overlap = np.count_nonzero(found & true) / np.count_nonzero(found | true)
            print(f"{demo_study.name} {layout['layout_id']} {layout['field_kind']}: IoU {overlap:.3f}")
            assert overlap >= 0.93
        boxes = texts.filter(file=layout["file"], screen=TRUE_SCREENS[layout["screen"]])
        assert boxes.filter("identity").height >= 3
        for x, y, width, height in boxes.select("x", "y", "width", "height").iter_rows():
            assert not found[max(y, 0) : y + height, max(x, 0) : x + width].any(), layout["layout_id"]


def test_each_frame_is_preprocessed_once_by_each_recipe(demo_study: DemoStudy) -> None:
    metadata, wanted = preprocessed(demo_study), shown_by_ultrasound(demo_study)["frame_id"].sort()
    for recipe in demo_study.study.preprocess.recipes:
        made = metadata.filter(pl.col("recipe") == recipe)
        assert made["frame_id"].sort().equals(wanted)
    paths = demo_study.paths
    on_disk = [paths.relative(file) for file in paths.preprocessed.rglob("*") if file.is_file()]
    assert sorted(on_disk) == sorted(metadata["path"])


def test_metadata_carries_labels_and_status_of_the_frame_table(demo_study: DemoStudy) -> None:
    columns = ["frame_id", *demo_study.families, "status"]
    carried = preprocessed(demo_study).select(columns).unique().sort("frame_id")
    assert carried.equals(shown_by_ultrasound(demo_study).select(columns).sort("frame_id"))


def test_preprocessed_images_are_black_outside_of_the_region(demo_study: DemoStudy) -> None:
    for row, picture in preprocessed_images(demo_study):
        outside = ~region_in_output(row)
        assert picture.shape[:2] == (row["height"], row["width"])
        assert not picture[outside].any(), row["path"]


def test_preprocessed_images_show_their_own_frame_without_its_bar_code(demo_study: DemoStudy) -> None:
    paths_of = dict(demo_study.frames.select("frame_id", "path").iter_rows())
    for row, picture in list(preprocessed_images(demo_study))[::5]:
        screen, shown = on_screen(row, picture)
        assert barcode.read(screen) is None, row["path"]
        frame = cv2.cvtColor(
            read_picture(demo_study.paths.root / paths_of[row["frame_id"]]), cv2.COLOR_BGR2GRAY
        )
        assert barcode.read(frame) is not None
        change = np.abs(screen.astype(float) - frame)[shown].mean()
        assert change < FAITHFUL, (row["path"], change)


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
def test_no_text_is_read_in_preprocessed_images(demo_study: DemoStudy) -> None:
    looked_at = demo_study.table(catalog.TEXT_CHECKS)
    made = preprocessed(demo_study).select("layout_id", "recipe").unique()
    assert made.sort("layout_id", "recipe").equals(
        looked_at.select("layout_id", "recipe").sort("layout_id", "recipe")
    )
    assert looked_at["words"].sum() == 0
    dataset = catalog.dataset(demo_study.families, demo_study.study.preprocess.recipes)
    assert not demo_study.table(dataset)["release_blocked"].any()


def shown_by_ultrasound(study: DemoStudy) -> pl.DataFrame:
    """The frame tables without frames that show a page of text: these are not preprocessed."""
    is_report = pl.col("reasons").fill_null("").str.split("|").list.contains("report_screen")
    return study.frames.filter(~is_report)


def layouts_with_truth(study: DemoStudy) -> pl.DataFrame:
    """``layouts.csv`` with the true file and outline of each."""
    truth = study.true_videos.select("video_id", "file", "field_kind", true_polygon="polygon")
    return study.table(catalog.LAYOUTS).join(truth, on="video_id", how="left")


def preprocessed(study: DemoStudy) -> pl.DataFrame:
    """``preprocess_metadata.csv``."""
    return study.table(catalog.preprocess_metadata(study.families))


def preprocessed_images(study: DemoStudy) -> Iterator[tuple[Row, NDArray[np.uint8]]]:
    """Each row of the metadata, with size and outline of its layout, and its image."""
    outlines = study.table(catalog.LAYOUTS).select(
        "layout_id", "polygon", screen_w="width", screen_h="height"
    )
    for row in preprocessed(study).join(outlines, on="layout_id").iter_rows(named=True):
        yield row, read_picture(study.paths.root / row["path"])


def region_in_output(row: Row) -> NDArray[np.bool_]:
    """Where a preprocessed image may show something, reckoned from the metadata alone."""
    crop, pad = (row["crop_x"], row["crop_y"]), (row["pad_x"], row["pad_y"])
    outline = (parse_outline(row["polygon"]) + 0.5 - crop) * row["scale"] + pad - 0.5
    inside = filled(outline, row["width"], row["height"])
    around = np.ones((2 * SLACK_PX + 1, 2 * SLACK_PX + 1), np.uint8)
    return np.asarray(cv2.dilate(inside.astype(np.uint8), around)).astype(bool)


def on_screen(row: Row, picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A preprocessed image put back where it was cut from, and where it is well inside the region."""
    size = row["crop_w"], row["crop_h"]
    width, height = (round(length * row["scale"]) for length in size)
    unpadded = picture[row["pad_y"] : row["pad_y"] + height, row["pad_x"] : row["pad_x"] + width]
    screen = np.zeros((row["screen_h"], row["screen_w"]), np.uint8)
    rows, columns = (
        slice(row[start], row[start] + row[length])
        for start, length in (("crop_y", "crop_h"), ("crop_x", "crop_w"))
    )
    screen[rows, columns] = cv2.resize(unpadded, size, interpolation=cv2.INTER_AREA)
    inside = filled(parse_outline(row["polygon"]), row["screen_w"], row["screen_h"]).astype(np.uint8)
    return screen, np.asarray(cv2.erode(inside, np.ones((9, 9), np.uint8))).astype(bool)
