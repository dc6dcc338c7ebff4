"""A root and a home that the version before this one made are upgraded, run, and rolled back.

``data/earlier_root/make.py`` made them, in a checkout of that version.
"""

import json
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO
from eus_etl.definitions import CONFIGS_VARIABLE, load_definitions
from eus_etl.defs.instance import HOME_VARIABLE, open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import load_study
from eus_etl.storage.root_owner import FORMAT
from eus_etl_tests.support.commands import call

EARLIER = Path(__file__).parents[1] / "data" / "earlier_root" / f"format_{FORMAT - 1}.tar.xz"
BACKED_UP = ("dagster_home", "data/eusml/.eus_etl", "data/eusml/master-dataset/Data")
"""What docs/upgrading.md puts into a backup; the folder for it is `/data`."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with tarfile.open(EARLIER) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "dagster_home"))
    monkeypatch.setenv(CONFIGS_VARIABLE, str(tmp_path / "configs"))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock"))
    }


def is_made_again(name: str) -> bool:
    """Whether a file is a frame table or a preprocessed frame, which each version makes by its own rules."""
    path = PurePosixPath(name)
    return path.parent.name == "Frames" or "Preprocessed" in path.parts


def study_file(folder: Path) -> Path:
    return folder / "configs" / "eus_config.yaml"


def test_the_archive_says_nothing_of_the_machine_that_made_it(folder: Path) -> None:
    assert EARLIER.stat().st_size < 300_000
    for word in (b"/tmp/", b"/work/", b"/home/", b"/root/"):
        assert [name for name, data in contents(folder).items() if word in data and ".mp4" not in name] == []


@pytest.mark.parametrize("command", ["run", "status", "verify", "gc", "sync-check", "report"])
def test_no_command_works_on_it_before_it_is_upgraded(folder: Path, command: str) -> None:
    before = contents(folder / "data")
    done = call(command, "--config", study_file(folder))
    assert done.exit_code == 1
    assert f"format {FORMAT - 1}" in done.output
    assert "`eus-etl upgrade --config FILE`" in done.output
    assert contents(folder / "data") == before


def test_the_page_says_so_in_the_place_of_the_study(folder: Path) -> None:
    repository = load_definitions()
    assert not list(repository.resolve_asset_graph().get_all_asset_keys())
    assert [sensor.name for sensor in repository.sensors or ()] == ["eus_config_not_loaded"]


def test_a_later_root_is_refused_by_every_command(folder: Path) -> None:
    mark = StudyPaths(load_study(study_file(folder)).root).owner_file
    mark.write_text(json.dumps({"study": "eusml", "format": FORMAT + 1}))
    for command in ("status", "verify", "upgrade"):
        done = call(command, "--config", study_file(folder))
        assert done.exit_code == 1
        assert "use the version of this package that wrote it" in done.output


@pytest.mark.slow
def test_backup_upgrade_run_and_roll_back(folder: Path) -> None:
    config = study_file(folder)
    root = load_study(config).root
    before = contents(folder)
    with tarfile.open(folder / "backup.tar", "w") as backup:
        for name in BACKED_UP:
            backup.add(folder / name, name)

    dry = call("upgrade", "--config", config, "--dry-run")
    assert f"would be brought from format {FORMAT - 1} to {FORMAT}" in dry.output
    assert contents(folder / "data") == {
        name.removeprefix("data/"): data for name, data in before.items() if name.startswith("data/")
    }
    done = call("upgrade", "--config", config)
    assert done.exit_code == 0, done.output
    assert f"was brought from format {FORMAT - 1} to {FORMAT}" in done.output
    assert "tombstones" in done.output
    assert f"the root has format {FORMAT}" in call("upgrade", "--config", config).output

    with open_instance(folder / "dagster_home") as instance:
        session = StudySession(load_study(config), instance)
        assert session.patients() == [ONE, TWO]
        assert session.run().complete
        assert StudySession(load_study(config), instance).run().made == []
    assert call("verify", "--config", config).exit_code == 0

    for name in BACKED_UP:
        for path in sorted((folder / name).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    with tarfile.open(folder / "backup.tar") as backup:
        backup.extractall(folder, filter="data")
    after, kept = contents(folder), [name for name in before if not is_made_again(name)]
    assert {name: after.get(name) for name in kept} == {name: before[name] for name in kept}
    assert json.loads(StudyPaths(root).owner_file.read_bytes())["format"] == FORMAT - 1
    assert call("status", "--config", config).exit_code == 1
    assert call("upgrade", "--config", config).exit_code == 0
