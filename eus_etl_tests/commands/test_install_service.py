"""The systemd units: right for systemd, whatever the folders are called."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from eus_etl.commands.install_service import UNITS, WORKER_UNIT, Server, install, rendered, word
from eus_etl.errors import ConfigError
from eus_etl_tests.support.commands import call

STRANGE = "da ta%h's; #1"


def server(folder: Path, **more: object) -> Server:
    folder.mkdir(parents=True, exist_ok=True)
    return Server(root=folder, configs=folder / "configs", user="root", **more)  # type: ignore[arg-type]


def words(text: str, key: str) -> list[str]:
    """The words of a unit's line as systemd reads them: unquoted, with specifiers resolved."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"{key}=")]
    assert "%h" not in line.replace("%%", "")
    return [found.replace("%%", "%") for found in shlex.split(line.partition("=")[2])]


@pytest.mark.parametrize("role", ["server", "worker"])
@pytest.mark.parametrize("name", ["data", STRANGE])
@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="needs systemd-analyze: apt-get install systemd"
)
def test_systemd_takes_the_units(tmp_path: Path, name: str, role: str) -> None:
    units = tmp_path / "units"
    install(server(tmp_path / name, guest_port=3001, role=role), units)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units.iterdir()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_strange_folders_come_through(tmp_path: Path) -> None:
    root = tmp_path / STRANGE
    files = rendered(server(root))
    code, daemon = (files[UNITS / f"eus-etl-{name}.service"] for name in ("code", "daemon"))
    assert words(code, "Environment") == [
        f"DAGSTER_HOME={root}/dagster_home",
        f"EUS_ETL_CONFIGS={root}/configs",
    ]
    assert words(code, "ReadWritePaths") == [str(root)]
    assert words(code, "RequiresMountsFor") == [str(root), f"{root}/configs"]
    assert words(daemon, "ExecStart")[-2:] == ["-w", f"{root}/workspace.server.yaml"]


@pytest.mark.parametrize("bad", ["a\nExecStart=/bin/sh", "a\\x20b", "a$b", "a\x07", "a'b\"c", "a\u2028b"])
def test_what_systemd_would_misread_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError):
        word(f"/{bad}", "--root")


@pytest.mark.parametrize("user", ["", "a b", "root\nUser=x", "%u", "Eus"])
def test_what_is_no_user_is_refused(tmp_path: Path, user: str) -> None:
    with pytest.raises(ConfigError, match="--user"):
        rendered(Server(root=tmp_path, configs=tmp_path, user=user))


def test_two_services_on_one_port_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="share a port"):
        rendered(server(tmp_path, port=3000, guest_port=3000))


def test_everything_listens_on_loopback_and_is_hardened(tmp_path: Path) -> None:
    files = rendered(server(tmp_path, guest_port=3001))
    services = {path.name: text for path, text in files.items() if path.suffix == ".service"}
    assert len(services) == 7
    for name, text in services.items():
        assert "UMask=0027\n" in text
        assert "ProtectSystem=strict\n" in text
        assert "NoNewPrivileges=yes\n" in text
        assert "MemoryMax=" in text
        assert ("--host 127.0.0.1" in text) == ("--port" in text), name
        assert "0.0.0.0" not in text  # noqa: S104
    assert "--read-only" in services["eus-etl-guests.service"]
    assert "eus-etl-guests.service" in files[UNITS / "eus-etl.target"]
    assert "eus-etl-guests.service" not in rendered(server(tmp_path))[UNITS / "eus-etl.target"]


def test_a_worker_has_one_unit_that_lets_runs_end(tmp_path: Path) -> None:
    ((path, text),) = rendered(server(tmp_path, role="worker", places=3)).items()
    assert path == UNITS / WORKER_UNIT
    assert words(text, "ExecStart")[1:] == ["worker", "--places", "3"]
    assert "KillMode=mixed\n" in text  # the signal to stop reaches no run
    assert "OOMPolicy=continue\n" in text
    ((_, text),) = rendered(server(tmp_path, role="worker")).items()
    assert words(text, "ExecStart")[1:] == ["worker"]
    # confined as the code server is, whose runs it does
    code = rendered(server(tmp_path))[UNITS / "eus-etl-code.service"]
    assert confinement(text) == confinement(code)


def confinement(unit: str) -> str:
    return unit.partition("ReadWritePaths=")[2].partition("\n[Install]")[0].strip()


def test_a_root_on_another_disk_is_waited_for_and_may_be_written(tmp_path: Path) -> None:
    hospital = TinyHospital(tmp_path / "hospital")
    text = rendered(Server(root=tmp_path / "other", configs=hospital.configs, user="root"))[
        UNITS / "eus-etl-code.service"
    ]
    root = str(hospital.study.root)
    assert root in words(text, "RequiresMountsFor")
    assert root in words(text, "ReadWritePaths")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = call(
        "install-service", "--dry-run", "--root", tmp_path / "data", "--user", "etl", "--port", "3333"
    )
    assert done.exit_code == 0
    assert f"# ---- {UNITS}/eus-etl-webserver.service\n" in done.stdout
    assert "--port 3333\n" in done.stdout
    assert list(tmp_path.iterdir()) == []
