"""What the commands say of a visit that is not finished: what it waits for, and where its video may be."""

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from eus_etl_tests.support.commands import call

BARE, EMPTY = "33333333-aaaa-4aaa-8aaa-000000000003", "44444444-aaaa-4aaa-8aaa-000000000004"


@pytest.fixture
def hospital(hospital: TinyHospital) -> TinyHospital:
    """With a visit without upload, one whose only upload is empty, and an upload that fits no visit."""
    for patient in (BARE, EMPTY):
        hospital.items[patient] = {"Start Station 1 1": "00:00:01"}
    hospital.write_items()
    for folder in (EMPTY, "nobody"):
        (hospital.videos / folder).mkdir()
        (hospital.videos / folder / "first.mp4").touch()
    return hospital


def test_of_each_visit_it_is_said_what_it_waits_for_and_where_its_video_may_be(
    hospital: TinyHospital,
) -> None:
    command = ("run", "--config", hospital.config, "--patient", BARE)
    assert (
        f"no upload has been given to {BARE}; see rejected.csv, stage drive_videos" in call(*command).output
    )
    again = call(*command).output
    assert f"no upload has been given to {BARE}; see rejected.csv" in again
    assert "everything is up to date" not in again

    lines = call("status", "--config", hospital.config).output.splitlines()
    shown = {line[:36]: line[36:].split() for line in lines}
    assert shown[BARE] == ["no", "video", "no", "upload", "fits", "it"]  # and not: 1 no_stop
    assert shown[EMPTY] == ["missing", "labels", "never", "made"]
    assert "not given to a visit, or not taken: 1 empty_file (see rejected.csv)" in lines
    rows = [row.split(",") for row in hospital.paths.table("rejected").read_text().splitlines()]
    assert [row[:2] for row in rows if "empty_file" in row] == [[EMPTY, "drive_videos"], ["", "drive_videos"]]

    asked = [option for patient in (ONE, BARE, EMPTY) for option in ("--patient", patient)]
    lines = call("status", "--config", hospital.config, *asked).output.splitlines()
    steps = {line.split()[0]: line.split(maxsplit=2)[1:] for line in reversed(lines) if line[:2] == "  "}
    assert steps["raw_videos"] == ["missing", "never made"]
    assert steps["frames"] == ["missing", "waits for raw_videos"]
    assert steps["frame_table"] == ["missing", "waits for raw_videos"]
    look = "What to do: look for the upload in rejected.csv, stage drive_videos"
    without = "  no upload has been given to this visit; unassigned or waiting:"
    assert lines[-1] == f"{without} 2 empty_file. {look}"
    assert lines[-2] == "  rejected: 1 empty_file (see rejected.csv)"
    assert f"{without} 1 empty_file. {look}" in lines
    assert "  rejected: 1 no_stop (see rejected.csv)" in lines
