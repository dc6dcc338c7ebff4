"""`eus-etl release` over a study that was really run."""

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from benchmarks.support.hospitals.released_study import KEY, KEY_VARIABLE
from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.cli import main
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.release.pseudonyms import looks_like_release


def call(hospital: TinyHospital, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", str(hospital.config)])


@pytest.mark.slow
def test_a_study_is_released_once_its_tables_are_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital = TinyHospital(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(hospital.home))
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    hospital.configure(releases={"default": {"title": "Tiny", "status": ["ok", "disturbed"]}})
    early = call(hospital, "release", "--name", "default")
    assert early.exit_code == 1
    assert "something upstream is not current" in early.stderr
    assert "What to do: `eus-etl run`" in early.stderr
    assert call(hospital, "run").exit_code == 0

    refused = call(hospital, "release", "--name", "default")
    assert refused.exit_code == 1
    assert "20 frames of 2 visits: unreviewed. What to do: `eus-etl regions`" in refused.stderr
    lines = [line for line in call(hospital, "regions").stdout.splitlines() if line.startswith((ONE, TWO))]
    header = "patient_id,video_id,polygon,signature,signed_off\n"
    hospital.paths.regions_csv.write_text(header + "\n".join(line.replace("XX", "AB") for line in lines))
    assert call(hospital, "run").exit_code == 0

    dry = call(hospital, "release", "--name", "default", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "would be made; it follows no other" in dry.stdout
    assert not hospital.paths.releases.exists()
    made = call(hospital, "release", "--name", "default")
    assert made.exit_code == 0, made.output
    (folder,) = hospital.paths.releases.iterdir()
    assert looks_like_release(folder.name)
    assert f"release {folder.name}: made" in made.stdout
    assert str(folder) in made.stdout
    frames = pl.read_parquet(folder / "frames.parquet")
    assert frames["visit"].n_unique() == 2
    assert all((folder / path).is_file() for path in frames["path"])
    hospital.paths.regions_csv.write_text(header + "\n".join(line.replace("XX", "AB") for line in lines[:1]))
    assert call(hospital, "sync").exit_code == 0
    hospital.paths.regions_csv.write_text(header + "\n".join(line.replace("XX", "AB") for line in lines))
    with open_instance(hospital.home) as instance:
        StudySession(hospital.study, instance).observe()
    left = call(hospital, "release", "--name", "default", "--dry-run")  # one visit waits for a run
    assert "stale" in left.stdout
    assert call(hospital, "run").exit_code == 0
    again = call(hospital, "release", "--name", "default")
    assert "it exists already: nothing has changed" in again.stdout
    assert call(hospital, "release", "--name", "other").exit_code == 1

    with open_instance(hospital.home) as instance:
        session = StudySession(hospital.study, instance)
        assert session.plan(None) is None  # a release is nothing that anybody is behind with
        event = instance.get_latest_materialization_event(session.graph.key("release"))
        assert event is not None
        assert session.state.versions(session.graph.key("release")) == {None: folder.name}
