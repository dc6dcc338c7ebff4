"""Clips of real machines, laid out as visits, through both studies with every frame kept."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import polars as pl
import pydicom
import pytest
import yaml

from benchmarks.support.videos.pictures import read_picture
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.settings import StudyConfig, load_study, shipped
from eus_etl_tests.support.hospitals.demo_run import STUDIES

pytestmark = pytest.mark.slow

FRAMES = {
    "DemoBMode.mov": 450,
    "clarius-ocular-short.mp4": 50,
    "Cov_convex_volpecelli_sonographic_v1.mov": 403,
    "Vir_prospective_file2.mp4": 151,
    "Reg_pat4Image_140024.mpeg": 438,
    "color3d_jpeg_baseline.h264.mp4": 120,
    "color3d_jpeg_baseline.mjpeg.avi": 120,
    "examples_ybr_color.dcm": 30,
}
"""Frames of each clip, as the clips' README gives them."""

VISITS = {
    "ba3f892a-9844-4be9-81b7-8c9f08d6b971": (
        "DemoBMode.mov",
        "Cov_convex_volpecelli_sonographic_v1.mov",
        "color3d_jpeg_baseline.h264.mp4",
    ),
    "e7494a52-4294-4710-88a1-d8137a5566fb": (
        "clarius-ocular-short.mp4",
        "Vir_prospective_file2.mp4",
        "color3d_jpeg_baseline.mjpeg.avi",
    ),
    "6f4d812e-11ee-4da7-b302-2ced2fe7edd7": ("Reg_pat4Image_140024.mpeg", "examples_ybr_color.dcm"),
}
"""Visits of the sample of label items, and the clips that lie in the folder of each."""

STUDY_OF = {"eusml": [*VISITS][:2], "fatty_liver": [*VISITS][2:]}


@dataclass(frozen=True)
class Finished:
    """One study after its run."""

    study: StudyConfig
    report: RunReport
    clips: Path

    @property
    def paths(self) -> StudyPaths:
        return StudyPaths(self.study.root)

    @property
    def patients(self) -> list[str]:
        return STUDY_OF[self.study.study]

    def videos(self) -> pl.DataFrame:
        return pl.read_csv(self.paths.table(catalog.VIDEOS.name), schema=catalog.VIDEOS.schema)

    def frames(self) -> pl.DataFrame:
        """All frame tables, with the clip's name."""
        schema = catalog.frame_table(self.study.families).schema
        read = [pl.read_csv(self.paths.frame_table(patient), schema=schema) for patient in self.patients]
        return pl.concat(read).join(self.videos().select("video_id", clip="file_name"), on="video_id")


@pytest.fixture(scope="module", params=list(STUDIES))
def finished(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Finished:
    """Each study, run once over the clips of its visits."""
    folder = tmp_path_factory.mktemp(request.param)
    for patient in STUDY_OF[request.param]:
        visit = folder / "incoming" / patient
        visit.mkdir(parents=True)
        for clip in VISITS[patient]:
            shutil.copy2(shared / "clips" / clip, visit / clip)
    study = load_study(write_config(request.param, folder, shared))
    with open_instance(folder / "dagster_home") as instance:
        report = StudySession(study, instance).run()
    return Finished(study, report, shared / "clips")


def write_config(name: str, folder: Path, shared: Path) -> Path:
    """The shipped study with every frame kept, pointed at the clips, the sample items and an empty sheet."""
    config = yaml.safe_load((shipped("configs") / STUDIES[name]).read_text(encoding="utf-8"))
    sheet = folder / "patients.csv"
    headers = [config["patients"]["key_header"], *(c["header"] for c in config["patients"]["columns"])]
    sheet.write_text(",".join(headers) + "\n")
    config["root"] = str(folder / "data")
    config["sources"]["videos"] |= {"path": str(folder / "incoming"), "settle_s": 0}
    config["sources"]["label_items"]["path"] = str(shared / "labels" / "labeller_items_sample.json")
    config["sources"]["patient_rows"]["path"] = str(sheet)
    config["extraction"] = {"frame_rate_hz": None, "image": {"format": "jpg"}}
    config["preprocess"] = {"recipes": {"small": {"version": 1, "size_px": 128}}}
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def test_everything_could_be_made(finished: Finished) -> None:
    assert finished.report.failed == []
    assert finished.report.complete
    assert finished.report.videos_decoded == sum(len(VISITS[patient]) for patient in finished.patients)
    assert {made.asset for made in finished.report.made} >= {"frame_table", "preprocessed_frames", "dataset"}
    rejected = pl.read_csv(finished.paths.table("rejected"), schema=catalog.REJECTED.schema)
    assert rejected.drop_nulls("file_name").is_empty()


def test_as_many_frames_as_each_clip_has(finished: Finished) -> None:
    expected = {clip: FRAMES[clip] for patient in finished.patients for clip in VISITS[patient]}
    videos = finished.videos()
    assert dict(videos.select("file_name", "frames_decoded").iter_rows()) == expected
    assert videos["decode_errors"].sum() == videos["frames_skipped"].sum() == 0
    assert dict(finished.frames().group_by("clip").len().iter_rows()) == expected
    images = pl.Series([file.parent.name for file in finished.paths.frames.glob("*/*/*.jpg")])
    names = dict(videos.select("video_id", "file_name").iter_rows())
    assert {names[video]: count for video, count in images.value_counts().iter_rows()} == expected


def test_each_frame_has_its_true_time_stamp_and_place(finished: Finished) -> None:
    for (clip,), frames in finished.frames().sort("frame_index").group_by("clip", maintain_order=True):
        file = finished.clips / str(clip)
        expected = dicom_stamps(file) if file.suffix == ".dcm" else decoded_stamps(file)
        assert frames["pts"].to_list() == expected, clip
        assert frames["frame_index"].to_list() == list(range(len(expected))), clip
        stems = frames["path"].str.split("/").list.last()
        assert stems.to_list() == [f"{pts:012}.jpg" for pts in expected], clip


def test_ffprobe_agrees_on_the_time_stamps(finished: Finished) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    for (clip,), frames in finished.frames().sort("frame_index").group_by("clip", maintain_order=True):
        if not str(clip).endswith(".dcm"):  # ffprobe does not read cine loops of DICOM
            probed = probed_stamps(finished.clips / str(clip))
            assert frames.height == len(probed), clip
            stamped = [
                (made, said) for made, said in zip(frames["pts"], probed, strict=True) if said is not None
            ]
            assert len(stamped) >= len(probed) - 1
            assert all(made == said for made, said in stamped), clip


def test_images_have_the_size_of_their_clip(finished: Finished) -> None:
    sizes = finished.videos().select("video_id", "width", "height")
    firsts = finished.frames().group_by("video_id").first().join(sizes, on="video_id")
    for path, width, height in firsts.select("path", "width", "height").iter_rows():
        assert read_picture(finished.paths.root / path).shape[:2] == (height, width)


def test_the_dataset_holds_every_frame_with_labels_of_the_items(finished: Finished, shared: Path) -> None:
    recipes = list(finished.study.preprocess.recipes)
    table = catalog.dataset(finished.study.families, recipes)
    dataset = pl.read_csv(finished.paths.table(table.name), schema=table.schema)
    frames = finished.frames()
    assert dataset["frame_id"].sort().equals(frames["frame_id"].sort())
    intervals = sample_labels(finished, shared)
    for family in finished.study.families:
        timed = frames.drop_nulls("procedure_s")
        for patient, label, procedure_s in timed.select("patient_id", family, "procedure_s").iter_rows():
            holding = {name for name, start, stop in intervals[patient] if start <= procedure_s < stop}
            assert label is None or label in holding
            assert label is not None or not holding & {x.name for x in finished.study.families[family]}
    assert frames.filter(pl.any_horizontal(pl.col(*finished.study.families).is_not_null())).height > 100


def test_tell_which_frames_count_as_disturbed(finished: Finished) -> None:
    for (clip,), frames in finished.frames().group_by("clip", maintain_order=True):
        reasons = frames["reasons"].drop_nulls().str.split("|").explode().value_counts(sort=True)
        flagged = int(frames["disturbed"].sum())
        print(f"{clip}: {flagged} of {frames.height} disturbed; {dict(reasons.iter_rows())}")
        assert frames.filter(pl.col("disturbed") != pl.col("reasons").is_not_null()).is_empty()


def decoded_stamps(file: Path) -> list[int]:
    """Time stamps of the pictures that are shown, in order, decoded here."""
    with av.open(str(file)) as container:
        return sorted(
            frame.pts for frame in container.decode(container.streams.video[0]) if frame.pts is not None
        )


def dicom_stamps(file: Path) -> list[int]:
    """Microseconds at which the frames of a cine loop follow one another."""
    header = pydicom.dcmread(file, stop_before_pixels=True)
    return [round(number * float(header.FrameTime) * 1000) for number in range(int(header.NumberOfFrames))]


def probed_stamps(file: Path) -> list[int | None]:
    """What ffprobe says of the frames that it decodes; the last of a program stream may bear no stamp."""
    entries = ["-show_entries", "frame=best_effort_timestamp", "-of", "json"]
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", *entries, str(file)]
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return [frame.get("best_effort_timestamp") for frame in said["frames"]]


def sample_labels(finished: Finished, shared: Path) -> Mapping[str, list[tuple[str, float, float]]]:
    """Label, start and stop in seconds of each visit's intervals, read off the sample by hand."""
    sample = json.loads((shared / "labels" / "labeller_items_sample.json").read_bytes())
    found: dict[str, list[tuple[str, float, float]]] = {}
    for app in ("eus", "liver"):
        for item in sample[app]["patient"]:
            times = {key: value["S"] for key, value in item.items() if key.startswith(("Start ", "Stop "))}
            found[item["pk"]["S"]] = [
                (
                    key.removeprefix("Start ").rpartition(" ")[0],
                    clock_s(start),
                    clock_s(times[key.replace("Start", "Stop", 1)]),
                )
                for key, start in times.items()
                if key.startswith("Start ")
            ]
    return found


def clock_s(text: str) -> float:
    """``HH:MM:SS`` in seconds."""
    hours, minutes, seconds = map(int, text.split(":"))
    return 3600.0 * hours + 60 * minutes + seconds
