"""The synthetic hospital is the same for the same seed, and its truth is what its files hold."""

import csv
import json
import pickle
import random
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest

from eus_etl.sample import barcode
from eus_etl.sample.eusml import plan_eusml
from eus_etl.sample.hospital import Hospital, HospitalStudy, make_hospital, planted_identities
from eus_etl.sample.plan import Cast
from eus_etl_tests.support.made_once import MadeOnce

pytestmark = pytest.mark.slow  # the demo's tests look at the same hospital

STUDIES = ["eusml", "fatty_liver"]


def make(folder: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    hospital = make_hospital(folder / "hospital", seed=7, progress=lambda *step: steps.append(step))
    (folder / "pickle").write_bytes(pickle.dumps((hospital, steps)))


@pytest.fixture(scope="module")
def made(made_once: MadeOnce) -> tuple[Hospital, list[tuple[str, int, int]]]:
    """The hospital, and the steps that were told while it was made."""
    file = made_once("sample_hospital", make) / "pickle"
    found: tuple[Hospital, list[tuple[str, int, int]]] = pickle.loads(file.read_bytes())  # noqa: S301 - made here
    return found


@pytest.fixture(scope="module")
def hospital(made: tuple[Hospital, list[tuple[str, int, int]]]) -> Hospital:
    return made[0]


@pytest.fixture(params=STUDIES)
def study(request: pytest.FixtureRequest, hospital: Hospital) -> HospitalStudy:
    found: HospitalStudy = getattr(hospital, request.param)
    return found


def truth(study: HospitalStudy, table: str) -> pl.DataFrame:
    return pl.read_parquet(study.truth / f"{table}.parquet")


def contents(folder: Path) -> dict[str, tuple[bytes, float]]:
    """Bytes and times of the incoming files, bytes of the truth."""
    return {
        path.relative_to(folder).as_posix(): (
            path.read_bytes(),
            path.stat().st_mtime if "incoming" in path.parts else 0.0,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_progress_counts_every_video(made: tuple[Hospital, list[tuple[str, int, int]]]) -> None:
    assert made[1] == [("eusml", n, 8) for n in range(1, 9)] + [("fatty_liver", n, 3) for n in range(1, 4)]


def test_the_same_seed_makes_the_same_hospital(hospital: Hospital, tmp_path: Path) -> None:
    again = make_hospital(tmp_path, seed=7)
    assert contents(tmp_path) == contents(hospital.folder)
    assert again.identities == hospital.identities
    assert again.eusml.visits == hospital.eusml.visits


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "incoming" / "eusml" / "videos" / "scan.mp4"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="name another folder"):
        make_hospital(tmp_path)
    assert theirs.read_bytes() == b"precious"


def test_the_truth_agrees_with_every_decoded_frame(study: HospitalStudy) -> None:
    frames = truth(study, "frames")
    files = truth(study, "files").filter(pl.col("frames").is_not_null())
    assert set(frames["file"]) == set(files["file"])
    for file in files.iter_rows(named=True):
        expected = frames.filter(file=file["file"])
        with av.open(str(study.videos / file["file"])) as video:
            stream = video.streams.video[0]
            decoded = [(frame.pts, frame.to_ndarray(format="bgr24")) for frame in video.decode(stream)]
            tick_s = float(stream.time_base or 0)
        assert decoded[0][1].shape == (file["height"], file["width"], 3)
        bars = [barcode.read(picture) for _, picture in decoded]
        assert bars == [
            barcode.Barcode(number, round(1000 * procedure_s))
            for number, procedure_s in expected.select("number", "procedure_s").iter_rows()
        ]
        pts = np.array([pts for pts, _ in decoded], np.float64)
        np.testing.assert_allclose((pts - pts[0]) * tick_s, expected["video_s"], atol=1e-9)


def test_containers_are_as_various_as_the_files_table_says(hospital: Hospital) -> None:
    files = truth(hospital.eusml, "files").filter(pl.col("frames").is_not_null())
    starts_s: dict[str, float] = {}
    for file in files.iter_rows(named=True):
        with av.open(str(hospital.eusml.videos / file["file"])) as video:
            stream = video.streams.video[0]
            pts = [frame.pts or 0 for frame in video.decode(stream)]
            starts_s[file["container"]] = float((stream.start_time or 0) * (stream.time_base or 0))
            assert (len({b - a for a, b in pairwise(pts)}) > 1) == (file["rate_kind"] == "variable")
            stated = video.metadata.get("creation_time", "")[:19]
        assert stated == (file["recorded_at"].isoformat() if file["recorded_at"] else "")
    assert starts_s.keys() == {"mp4", "avi", "vob", "mpegts"}
    assert starts_s["mpegts"] >= 139
    assert starts_s["vob"] > 0


def test_procedure_time_follows_from_the_written_correction(study: HospitalStudy) -> None:
    sync = pl.read_csv(
        study.truth / "sync.csv", schema_overrides={"offset_s": pl.Float64, "scale": pl.Float64}
    )
    frames = (
        truth(study, "frames")
        .join(truth(study, "files").select("file", "timeline_start_s"), on="file")
        .join(sync.select("patient_id", "offset_s", "scale"), on="patient_id", how="left")
        .with_columns(pl.col("offset_s").fill_null(0.0), pl.col("scale").fill_null(1.0))
    )
    expected = (pl.col("timeline_start_s") + pl.col("video_s") - pl.col("offset_s")) / pl.col("scale")
    assert frames.select((expected - pl.col("procedure_s")).abs().max()).item() < 1e-9
    assert sync.height == (2 if study.study == "eusml" else 0)


def test_stretches_of_a_screen_cover_every_frame_once(study: HospitalStudy) -> None:
    frames, layouts = truth(study, "frames"), truth(study, "layouts")
    within = frames.join(layouts.drop("patient_id"), on="file").filter(
        pl.col("video_s").is_between("start_s", "stop_s", closed="left")
    )
    assert within.height == frames.height
    for screen, fields in (("split_layout", 2), ("report_screen", 0)):
        assert (within[screen] == (within["screen"] == screen)).all()
        assert set(layouts.filter(screen=screen)["polygons"].list.len()) <= {fields}
    ordinary = layouts.filter(screen="ultrasound").join(truth(study, "files"), on="file", suffix="_of_file")
    assert ordinary["polygons"].list.get(0).to_list() == ordinary["polygon"].to_list()
    shown = truth(study, "text_boxes").select("file", "screen").unique()
    assert shown.sort(pl.all()).equals(layouts.select("file", "screen").unique().sort(pl.all()))


def test_both_screens_are_among_the_liver_recordings(hospital: Hospital) -> None:
    frames = truth(hospital.fatty_liver, "frames")
    assert frames.select("split_layout", "report_screen", "low_contact").sum().row(0) == (51, 51, 64)


def test_every_label_sits_in_its_interval(study: HospitalStudy) -> None:
    frames, intervals = truth(study, "frames"), truth(study, "intervals")
    families = intervals["family"].unique().to_list()
    labelled = frames.unpivot(
        families,
        index=["patient_id", "file", "number", "procedure_s"],
        variable_name="family",
        value_name="label",
    )
    within = labelled.join(intervals, on=["patient_id", "family"], suffix="_true").filter(
        pl.col("procedure_s").is_between("start_s", "stop_s", closed="left")
    )
    assert (within["label"] == within["label_true"]).all()
    assert within.height == labelled["label"].count()
    assert set(labelled["label"].drop_nulls()) == set(
        intervals.join(frames.select("patient_id").unique(), on="patient_id")["label"]
    )


def test_usable_intervals_of_a_family_never_overlap(study: HospitalStudy) -> None:
    for _, group in truth(study, "intervals").group_by("patient_id", "family"):
        ordered = group.sort("start_s")
        assert (ordered["start_s"] < ordered["stop_s"]).all()
        assert (ordered["start_s"][1:] >= ordered["stop_s"][:-1]).all()


def test_items_hold_what_the_truth_expects_of_them(hospital: Hospital) -> None:
    items = {item["pk"]["S"]: item for item in json.loads(hospital.eusml.items.read_text(encoding="utf-8"))}
    visits = hospital.eusml.visits
    assert list(items) == [visit.patient_id for visit in visits if visit.has_item]
    assert all(
        items[visit.patient_id]["pseudo_name"]["S"] == visit.alias for visit in visits if visit.has_item
    )
    stated, rerun, late, slow, unrecorded = items.values()
    assert stated["Start Station 2 1"]["S"] < stated["Stop Station 1 1"]["S"]
    assert stated["Stop D 1 1"]["S"] > stated["Stop Procedure"]["S"]
    assert "Stop Station 3 1" not in stated
    assert rerun["Start Station 1 2"]["S"] < rerun["Stop Station 1 1"]["S"]
    assert rerun["cancer"] == {"S": " "}
    assert late["Start D1 1"] == {"S": "00:00:10"}
    assert late["Start Stomach 1"] == {"S": "00:00:00"}
    assert late["Start Tumor 1"] == {"S": "ab:cd"}
    assert slow["station1Start"] == {"S": "00:00:02"}
    assert "cancer" not in slow
    assert "Start FNA 1" not in unrecorded
    problems = truth(hospital.eusml, "problems").explode("problems")
    assert set(problems["problems"]) == {
        "stop_before_start", "no_stop", "no_start", "bad_time", "overlaps_same_family", "past_procedure_end",
        "stale_rerun", "unknown_label",
    }  # fmt: skip
    liver = json.loads(hospital.fatty_liver.items.read_text(encoding="utf-8"))
    assert not [key for key in liver[2] if key.startswith(("Start", "Stop"))]


def test_the_sheet_has_bad_cells_repeated_and_unknown_rows(study: HospitalStudy) -> None:
    rows = list(csv.DictReader(study.rows.read_text(encoding="utf-8").splitlines()))
    keys = [row["Patient"] for row in rows]
    known = {key for visit in study.visits for key in (visit.patient_id, visit.alias)}
    assert [key for key in keys if key not in known] == [keys[-1]]
    assert rows.count(rows[-2]) == 2
    assert {visit.patient_id for visit in study.visits} & set(keys)
    assert {visit.alias for visit in study.visits} & set(keys)
    assert set(truth(study, "bad_cells")["key"]) <= set(keys)
    values = truth(study, "patients").drop_nulls(pl.selectors.last())
    assert 0 < values.height < len(study.visits)


def test_uploads_are_as_untidy_as_in_life(hospital: Hospital) -> None:
    files = truth(hospital.eusml, "files")
    on_disk = {
        path.relative_to(hospital.eusml.videos).as_posix()
        for path in hospital.eusml.videos.rglob("*")
        if path.is_file()
    }
    assert set(files["file"]) == on_disk
    assert set(files["bad_kind"].drop_nulls()) == {
        "unreadable", "audio_only", "empty", "nobody", "two_patients", "duplicate_upload",
    }  # fmt: skip
    names = [path.rpartition("/")[2] for path in on_disk]
    assert len(names) > len(set(names))
    assert any(" " in name and name.endswith(".MP4") for name in names)
    assert not all(path.isascii() for path in on_disk)
    duplicate = files.filter(bad_kind="duplicate_upload")["md5"].item()
    assert files.filter(md5=duplicate)["patient_id"].n_unique() == 1


def test_identities_are_planted_and_the_ids_are_none(hospital: Hospital) -> None:
    planted = planted_identities(hospital)
    assert len(planted) == len(set(planted))
    assert min(map(len, planted)) >= 5
    for study in hospital.studies:
        for file in truth(study, "files")["file"]:
            assert any(word in file for word in planted)
        texts = truth(study, "text_boxes").filter("identity")["text"].to_list()
        assert any(word in text for word in planted for text in texts)
        assert any(word in study.rows.read_text(encoding="utf-8") for word in planted)
        for visit in study.visits:
            assert not any(word in f"{visit.patient_id} {visit.alias}" for word in planted)
    assert any(word in hospital.eusml.items.read_text(encoding="utf-8") for word in planted)


def test_another_seed_makes_other_people() -> None:

    one, other = (plan_eusml(Cast(random.Random(seed))) for seed in (1, 2))
    assert {visit.patient_id for visit in one.visits}.isdisjoint(visit.patient_id for visit in other.visits)
