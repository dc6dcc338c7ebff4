"""Both studies of the synthetic hospital, from uploaded files to tables, against its known truth."""

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from eus_etl.domain.tables import catalog
from eus_etl.sample.plan import EPISODE_KINDS
from eus_etl_tests.support.hospitals.demo_run import Demo, DemoStudy

RATE_HZ = 5
TOLERANCE_S = 1.0
"""Labels are floored to whole seconds, and a stop is the last tick plus one."""
NANOSECOND_S = 1e-9
BAD_FILES = {
    "unreadable": "unreadable",
    "audio_only": "unreadable",
    "empty": "empty_file",
    "nobody": "matches_nobody",
    "two_patients": "matches_several",
    "duplicate_upload": "duplicate_upload",
}
"""Kinds of bad files that the hospital holds, to the reasons that must be given."""


# --- bar codes: each label sits on its frame, read from the saved pixels ---


def test_each_saved_image_shows_the_frame_and_the_second_that_its_row_says(demo_study: DemoStudy) -> None:
    read = demo_study.frames.join(demo_study.images, on="path", how="inner")
    rates = demo_study.true_videos.select("video_id", half_a_frame_s=0.5 / pl.col("rate_hz"))
    read = read.join(rates, on="video_id", how="left")
    assert read.height == demo_study.frames.height
    assert read.filter(pl.col("number").is_null()).is_empty()
    assert read.filter(pl.col("number") != pl.col("frame_index")).is_empty()
    error_s = (pl.col("true_s") - pl.col("procedure_s")).abs()
    assert read.filter((error_s > pl.col("half_a_frame_s")).fill_null(True)).is_empty()


def test_images_on_the_disk_and_rows_are_the_same_frames(demo_study: DemoStudy) -> None:
    paths = demo_study.paths
    in_folders = [file for file in paths.frames.glob("*/**/*") if file.is_file()]
    assert sorted(map(paths.relative, in_folders)) == sorted(demo_study.frames["path"])


def test_no_frame_is_lost_or_doubled_against_the_sampling_rule(demo_study: DemoStudy) -> None:
    saved = demo_study.images.with_columns(pl.col("path").str.split("/").list.get(-2).alias("video_id"))
    assert set(saved["video_id"]) == set(demo_study.true_videos["video_id"])
    for (video_id,), true_frames in demo_study.true_frames.group_by("video_id"):
        times_s = true_frames.sort("number")["video_s"].to_numpy()
        ticks_s = np.arange(0, times_s[-1] + NANOSECOND_S, 1 / RATE_HZ)
        expected = np.unique(np.searchsorted(times_s, ticks_s - NANOSECOND_S))
        numbers = saved.filter(pl.col("video_id") == video_id)["number"].sort()
        assert numbers.to_list() == expected.tolist(), video_id


def test_labels_are_those_of_the_true_second_that_the_pixels_show(demo_study: DemoStudy) -> None:
    read = demo_study.frames.join(demo_study.images, on="path")
    intervals = demo_study.truth("intervals")
    compared = 0
    for (patient_id,), frames in read.group_by("patient_id"):
        for family in demo_study.families:
            true = intervals.filter(pl.col("patient_id") == patient_id, pl.col("family") == family)
            expected, border_s = labels_at(frames["true_s"].to_numpy(), true)
            away = border_s > TOLERANCE_S
            wrong = away & (frames[family].fill_null("").to_numpy() != expected)
            assert not wrong.any(), (family, frames.filter(pl.Series(wrong))["frame_id"].to_list())
            compared += int(np.count_nonzero(away & (expected != "")))
    labelled = sum(read[family].count() for family in demo_study.families)
    assert compared > 0.6 * labelled > 0


def labels_at(
    times_s: NDArray[np.float64], intervals: pl.DataFrame
) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """The label that holds at each time, empty for none, and how far the nearest border is in seconds."""
    labels = np.full(times_s.size, "", object)
    border_s = np.full(times_s.size, np.inf)
    for label, start_s, stop_s in intervals.select("label", "start_s", "stop_s").iter_rows():
        labels[(times_s >= start_s) & (times_s < stop_s)] = label
        for border in (start_s, stop_s):
            border_s = np.minimum(border_s, np.abs(times_s - border))
    return labels, border_s


# --- records: labels, problems, patients, files ---


def test_intervals_are_the_true_ones_and_no_others_are_used(demo_study: DemoStudy) -> None:
    key = ["patient_id", "family", "label", "occurrence"]
    labels = demo_study.table(catalog.LABELS)
    found = demo_study.truth("intervals").join(
        labels.filter(pl.col("status") != "rejected"), on=key, how="left", suffix="_found"
    )
    for border in ("start_s", "stop_s"):
        off_s = (pl.col(border) - pl.col(f"{border}_found")).abs()
        assert found.filter((off_s > TOLERANCE_S).fill_null(True)).is_empty()
    doubtful = demo_study.truth("problems").select("patient_id", "label", "occurrence")
    unexplained = labels.filter(pl.col("status") == "ok").join(
        demo_study.truth("intervals"), on=key, how="anti"
    )
    assert unexplained.join(doubtful, on=["patient_id", "label", "occurrence"], how="anti").is_empty()


def test_each_problem_of_an_item_is_named_in_labels_and_in_rejected(demo_study: DemoStudy) -> None:
    labels = demo_study.table(catalog.LABELS).with_columns(pl.col("problem").str.split("|"))
    problems = demo_study.truth("problems").join(labels, on=["patient_id", "label", "occurrence"], how="left")
    hit = pl.col("problems").list.set_intersection("problem").list.len().fill_null(0) > 0
    groups = problems.group_by("patient_id", "group").agg(hit.any().alias("seen"))
    assert groups.filter(~pl.col("seen")).is_empty()

    doubtful = labels.filter(pl.col("status") != "ok").select(
        "patient_id", item=pl.format("{} {}", "label", "occurrence")
    )
    rejected = demo_study.table(catalog.REJECTED).filter(pl.col("stage") == "labels")
    assert rejected.select("patient_id", "item").sort(pl.all()).equals(doubtful.sort(pl.all()))


def test_patients_are_as_items_and_sheet_say(demo_study: DemoStudy) -> None:
    true = demo_study.truth("patients").sort("patient_id")
    made = demo_study.table(catalog.patients(demo_study.study.patients.columns)).sort("patient_id")
    for column in true.columns:
        assert made[column].to_list() == true[column].to_list(), column


def test_each_bad_cell_and_unknown_row_is_in_rejected_with_its_reason(demo_study: DemoStudy) -> None:
    rejected = demo_study.table(catalog.REJECTED)
    bad = demo_study.truth("bad_cells")
    cells = rejected.filter(pl.col("stage") == "patients").select("patient_id", "item", "reason")
    expected = bad.drop_nulls("column").select("patient_id", item="column", reason="why")
    assert cells.sort(pl.all()).equals(expected.sort(pl.all()))
    rows = rejected.filter(pl.col("stage") == "patient_rows")
    assert rows["reason"].to_list() == bad.filter(pl.col("column").is_null())["why"].to_list()


def test_each_bad_file_is_in_rejected_and_no_good_one(demo_study: DemoStudy) -> None:
    files = demo_study.truth("files")
    rejected = demo_study.table(catalog.REJECTED).drop_nulls("file_name")
    # of two uploads of the same content either one may be kept
    first = files.unique("md5", keep="first", maintain_order=True).select("md5", same="file")
    content = files.select("md5", "file").join(first, on="md5").select("file", "same")
    bad = files.filter(pl.col("bad_kind").is_not_null()).join(content, on="file")
    expected = bad.select("same", reason=pl.col("bad_kind").replace_strict(BAD_FILES))
    named = rejected.join(content, left_on="file_name", right_on="file", how="left").select("same", "reason")
    assert named.sort(pl.all()).equals(expected.sort(pl.all()))
    assert (
        demo_study.table(catalog.REJECTED)
        .filter(pl.any_horizontal(pl.col("reason", "detail").fill_null("") == ""))
        .is_empty()
    )


def test_videos_are_the_readable_files_with_their_true_facts_in_their_order(demo_study: DemoStudy) -> None:
    true = demo_study.true_videos.sort("patient_id", "timeline_start_s")
    made = demo_study.table(catalog.VIDEOS).sort("patient_id", "order")
    for column in ("patient_id", "video_id", "md5", "bytes", "width", "height"):
        assert made[column].to_list() == true[column].to_list(), column
    assert (made["frames_decoded"] + made["frames_skipped"]).to_list() == true["frames"].to_list()
    assert made["decode_errors"].sum() == 0
    assert made["variable_rate"].to_list() == (true["rate_kind"] == "variable").to_list()
    assert made["timeline_start_s"].to_list() == pytest.approx(true["timeline_start_s"].to_list())
    recorded = made["recorded_at"].str.to_datetime(time_zone="UTC").dt.replace_time_zone(None)
    assert recorded.to_list() == true["recorded_at"].to_list()
    end_s = pl.col("timeline_start_s") + pl.col("duration_s")
    gaps = made.select(gap=pl.col("timeline_start_s") - end_s.shift(1).over("patient_id"), made="gap_s")
    assert gaps["made"].to_list() == pytest.approx(gaps["gap"].to_list())


def test_a_stated_gap_between_two_files_of_one_name_is_kept(demo: Demo) -> None:
    videos = demo.studies["eusml"].table(catalog.VIDEOS).filter(pl.col("gap_s") > 0)
    assert videos.select("order", "gap_s", "timeline_source").rows() == [(1, pytest.approx(4.0), "stated")]


def test_uploaded_names_become_safe_ones(demo_study: DemoStudy) -> None:
    raw = demo_study.paths.raw_data
    videos = demo_study.table(catalog.VIDEOS)
    named = {raw / patient / name for patient, name in videos.select("patient_id", "file_name").iter_rows()}
    on_disk = {file for file in raw.rglob("*") if file.is_file()}
    assert named <= on_disk
    assert not [name for name in videos["file_name"] if name.startswith(".") or "\\" in name or "/" in name]


def test_odd_names_were_among_the_uploads_and_their_videos_were_used(demo: Demo) -> None:
    used = demo.studies["eusml"].true_videos["file"].str.split("/").list.last()
    assert used.str.contains(" ").any()
    assert used.str.contains("[^\x00-\x7f]").any()
    assert used.str.contains("\\", literal=True).any()
    assert used.str.contains("\N{DIVISION SLASH}", literal=True).any()
    assert used.str.contains("..", literal=True).any()
    assert used.is_duplicated().any()


def test_a_visit_without_video_or_without_item_has_what_there_is_of_it(demo: Demo) -> None:
    study = demo.studies["eusml"]
    visits = study.truth("visits")
    labels, patients = (
        study.table(catalog.LABELS),
        study.table(catalog.patients(study.study.patients.columns)),
    )
    (unrecorded,) = visits.filter(pl.col("videos") == 0)["patient_id"]
    assert unrecorded in set(labels["patient_id"])
    assert unrecorded in set(patients["patient_id"])
    assert not study.paths.frame_table(unrecorded).exists()
    (unlabelled,) = visits.filter(~pl.col("has_item"))["patient_id"]
    frames = study.frames.filter(pl.col("patient_id") == unlabelled)
    assert frames.height > 0
    assert frames.select(pl.col(*study.families).null_count()).row(0) == (frames.height,) * len(
        study.families
    )
    assert unlabelled in set(patients["patient_id"])


# --- status and region ---


def test_reasons_are_precise_and_complete(demo: Demo) -> None:
    frames = pl.concat(with_truth(study) for study in demo.studies.values())
    rows = []
    for reason in EPISODE_KINDS:
        said, true = pl.col("said").list.contains(reason), pl.col(reason)
        counts = frames.select(hits=(said & true).sum(), said=said.sum(), true=true.sum()).row(0, named=True)
        rows.append(
            {
                "reason": reason,
                **counts,
                "precision": counts["hits"] / counts["said"],
                "recall": counts["hits"] / counts["true"],
            }
        )
    table = pl.DataFrame(rows)
    print(table)
    assert table.filter(pl.col("true") < 15).is_empty()
    assert table.filter((pl.col("precision") < 0.9) | (pl.col("recall") < 0.9)).is_empty()


def test_clean_frames_are_left_alone(demo: Demo) -> None:
    frames = pl.concat(with_truth(study) for study in demo.studies.values())
    clean = frames.filter(~pl.any_horizontal(*EPISODE_KINDS))
    flagged = clean.filter(pl.col("disturbed"))
    print(f"{flagged.height} of {clean.height} clean frames are flagged")
    assert clean.height > 500
    assert flagged.height <= 0.02 * clean.height


def with_truth(study: DemoStudy) -> pl.DataFrame:
    """Extracted frames with the true episodes beside the reasons found (``said``)."""
    truth = study.true_frames.select("video_id", "frame_index", *EPISODE_KINDS)
    joined = study.frames.join(truth, on=["video_id", "frame_index"], how="left")
    said = pl.col("reasons").fill_null("").str.split("|").alias("said")
    return joined.select(said, "disturbed", *EPISODE_KINDS)
