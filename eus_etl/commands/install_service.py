"""``eus-etl install-service``: the systemd units of ``deploy``, filled in for one server or worker."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eus_etl.errors import ConfigError, EusEtlError
from eus_etl.settings import load_study, shipped, study_files
from eus_etl.storage.files.atomic import write_atomically

UNITS = Path("/etc/systemd/system")
WORKSPACE = "workspace.server.yaml"
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
WORKER_UNIT = "eus-etl-worker.service"
_GUESTS = "eus-etl-guests.service"

Role = Literal["server", "worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What differs between servers.

    Attributes:
        root: folder of the Dagster home and of whatever lies below it; absolute.
        configs: folder of the studies' files; absolute.
        user: whom the services run as.
        port: of the page, on loopback.
        code_port: of the code server, on loopback.
        guest_port: of a page for guests, on loopback; None for no such page.
        role: what the machine does: code server, daemon and page, or work on runs for such a server.
        places: how many runs a worker works on at once; None for as many as it has cores.
        programs: folder of the installed programs.
    """

    root: Path
    configs: Path
    user: str
    port: int = 3000
    code_port: int = 4266
    guest_port: int | None = None
    role: Role = "server"
    places: int | None = None
    programs: Path = Path(sys.executable).parent

    @property
    def workspace(self) -> Path:
        """The file that tells daemon and page where the code server is."""
        return self.root / WORKSPACE


def rendered(server: Server) -> dict[Path, str]:
    """Paths of all files to their content: units below ``UNITS``, and a server's workspace.

    Raises:
        ConfigError: a user or a path that a unit cannot hold, or two services on one port.
    """
    if not _USER.fullmatch(server.user):
        raise ConfigError("--user", "is no name of a user", "make one: `adduser --system --group eus_etl`")
    ports = [port for port in (server.port, server.code_port, server.guest_port) if port is not None]
    if len(set(ports)) < len(ports):
        raise ConfigError("--port", "two services would share a port", "give each its own")
    values = _values(server)
    if server.role == "worker":
        return {UNITS / WORKER_UNIT: _filled(shipped(f"deploy/celery/{WORKER_UNIT}"), values)}
    found = {
        UNITS / file.name: _filled(file, values)
        for file in sorted(shipped("deploy/systemd").iterdir())
        if server.guest_port is not None or file.name != _GUESTS
    }
    return {**found, server.workspace: _filled(shipped(f"deploy/{WORKSPACE}"), values)}


def install(server: Server, units: Path = UNITS) -> list[Path]:
    """Write all files; nothing is started.

    Raises:
        ConfigError: as ``rendered``.
        OSError: a folder cannot be written to.
    """
    written = []
    for path, text in rendered(server).items():
        target = units / path.name if path.parent == UNITS else path
        write_atomically(target, text.encode())
        target.chmod(0o644)  # systemd and the services' user read it; it holds no secret
        written.append(target)
    return written


def word(value: Path | str, role: str) -> str:
    """A value as one word of a unit's line: quoted where it must be, ``%`` doubled.

    Raises:
        ConfigError: it has a character that systemd would take for something else.
    """
    text = _plain(value, role)
    if '"' in text and "'" in text:
        raise ConfigError(role, "has both kinds of quotes", "choose another folder")
    quote = "'" if '"' in text else '"'
    return f"{quote}{text}{quote}" if re.search(r"[\s\"';#]", text) else text


def _plain(value: Path | str, role: str) -> str:
    text = str(value)
    if re.search(r"[\x00-\x1f\x7f\\$]", text) or not text.isprintable():
        raise ConfigError(
            role, "has a line break, a backslash, a dollar sign or the like", "choose another folder"
        )
    return text.replace("%", "%%")


def _values(server: Server) -> Mapping[str, str]:
    roots = [server.root, *_outside(server)]
    home = server.root / "dagster_home"
    return {
        "USER": server.user,
        "PORT": str(server.port),
        "CODE_PORT": str(server.code_port),
        "GUEST_PORT": str(server.guest_port),
        "ROOT_LINE": _plain(server.root, "--root"),
        "HOME_ENV": word(f"DAGSTER_HOME={home}", "--root"),
        "CONFIGS_ENV": word(f"EUS_ETL_CONFIGS={server.configs}", "--configs"),
        "WORKSPACE": word(server.workspace, "--root"),
        "MOUNTS": " ".join(word(root, "--root") for root in [*roots, server.configs]),
        "WRITABLE": " ".join(word(root, "--root") for root in roots),
        "WRITABLE_IF_THERE": " ".join(word(f"-{root}", "--root") for root in roots),
        "PLACES_OPTION": "" if server.places is None else f" --places {server.places}",
        "GUESTS": _GUESTS if server.guest_port is not None else "",
        "EUS_ETL": word(server.programs / "eus-etl", "programs"),
        "DAGSTER": word(server.programs / "dagster", "programs"),
        "DAEMON": word(server.programs / "dagster-daemon", "programs"),
        "WEBSERVER": word(server.programs / "dagster-webserver", "programs"),
    }


def _outside(server: Server) -> Sequence[Path]:
    """Roots of studies that lie elsewhere: on another disk, say."""
    if not server.configs.is_dir():
        return []
    roots = []
    for file in study_files(server.configs):
        try:
            roots.append(load_study(file).root)
        except EusEtlError as error:
            raise ConfigError(
                file.name, "cannot be used, and its root is needed here", error.remedy
            ) from None
    return [root for root in roots if not root.is_relative_to(server.root)]


def _filled(template: Path, values: Mapping[str, str]) -> str:
    text = template.read_text(encoding="utf-8")
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], text)
