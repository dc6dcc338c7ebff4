"""Commands for a server that works by itself."""

import os
import sys
import time
from pathlib import Path

import click

from eus_etl.cli.options import FILE, FOLDER, plain_errors
from eus_etl.errors import EusEtlError

_INTERVAL_S = 60.0
_PORT = click.IntRange(1, 65535)
_PLACES = click.option(
    "--places",
    type=click.IntRange(1, 256),
    help="How many runs a worker works on at once. Default: as many as the machine has cores.",
)


@click.command()
@click.option("--once", is_flag=True, help="Look once and end, as the timer's service does.")
@click.option("--test", "is_test", is_flag=True, help="Only send a test message over every channel.")
@click.option(
    "--configs",
    type=FOLDER,
    help="Folder of the studies' files. Default: EUS_ETL_CONFIGS, or the shipped ones.",
)
@click.option("--alerts", type=FILE, help="Who is told. Default: alerts.yaml in that folder.")
@plain_errors
def watch(once: bool, is_test: bool, configs: Path | None, alerts: Path | None) -> None:
    """Look at daemon, services, disks and studies, and tell of what needs a person.

    Exits with 1 where something could not be told.
    """
    from eus_etl.commands.watch.run import watch_once
    from eus_etl.settings import load_alerts, shipped
    from eus_etl.storage.files.permissions import keep_from_others

    keep_from_others("group")
    folder = configs or Path(os.environ.get("EUS_ETL_CONFIGS") or shipped("configs"))
    file = alerts or folder / "alerts.yaml"
    if is_test:
        _test(file)
        return
    while True:
        try:
            outcome = watch_once(folder, load_alerts(file), time.time())
        except EusEtlError as error:
            if once:
                raise
            click.echo(f"eus-etl: {error}", err=True)
        else:
            for problem in outcome.problems:
                click.echo(problem.line)
            for message in outcome.sent:
                click.echo(f"told: {message.subject}")
            for failure in outcome.failures:
                click.echo(f"eus-etl: {failure}", err=True)
            if once:
                sys.exit(1 if outcome.failures else 0)
        time.sleep(_INTERVAL_S)


@click.command("install-service")
@click.option(
    "--root", type=FOLDER, default=Path("/data"), show_default=True, help="Folder of the Dagster home."
)
@click.option(
    "--configs", type=FOLDER, help="Folder of the studies' files. Default: `configs` below the root."
)
@click.option("--user", default="eus_etl", show_default=True, help="Whom the services run as.")
@click.option("--port", type=_PORT, default=3000, show_default=True, help="Port of the page, on loopback.")
@click.option("--code-port", type=_PORT, default=4266, show_default=True, help="Port of the code server.")
@click.option("--guest-port", type=_PORT, help="Port of a second page that starts nothing. Default: none.")
@click.option(
    "--role",
    type=click.Choice(["server", "worker"]),
    default="server",
    show_default=True,
    help="What this machine does: a worker only works on runs that a server asks for.",
)
@_PLACES
@click.option("--dry-run", is_flag=True, help="Only show the files.")
@plain_errors
def install_service(
    root: Path,
    configs: Path | None,
    user: str,
    port: int,
    code_port: int,
    guest_port: int | None,
    role: str,
    places: int | None,
    dry_run: bool,
) -> None:
    """Write the systemd units of a server, or a worker, that starts with the machine. Starts nothing."""
    from eus_etl.commands.install_service import WORKER_UNIT, Server, install, rendered

    server = Server(
        root=root.absolute(),
        configs=(configs or root / "configs").absolute(),
        user=user,
        port=port,
        code_port=code_port,
        guest_port=guest_port,
        role="worker" if role == "worker" else "server",
        places=places,
    )
    if dry_run:
        for path, text in rendered(server).items():
            click.echo(f"# ---- {path}\n{text}")
        return
    for path in install(server):
        click.echo(path)
    unit = WORKER_UNIT if role == "worker" else "eus-etl.target"
    click.echo(
        "to start all of it, now and at each boot: "
        f"`systemctl daemon-reload && systemctl enable --now {unit}`"
    )


@click.command()
@click.option("--name", default="worker", show_default=True, help="Of this worker on this machine.")
@_PLACES
@plain_errors
def worker(name: str, places: int | None) -> None:
    """Work on runs that a server asks for, over the broker that dagster.yaml names (docs/cluster.md).

    Told to stop, it takes no more runs, and ends once those under way have ended.
    """
    import re

    from eus_etl.cli.options import home_of
    from eus_etl.errors import ConfigError

    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name):
        raise ConfigError("--name", "is no name of a worker", "use letters, digits, - and _")
    home = home_of(None)
    try:
        from eus_etl.defs.cluster.worker import work
    except ModuleNotFoundError as error:
        raise ConfigError(
            "worker", f"{error.name} is not installed", "install this package with its extra `celery`"
        ) from None
    work(home, name, places or len(os.sched_getaffinity(0)))


def _test(file: Path) -> None:
    from eus_etl.commands.watch.send import channels, deliver
    from eus_etl.domain.alerts.message import Message
    from eus_etl.errors import ConfigError
    from eus_etl.settings import load_alerts

    config = load_alerts(file)
    if not channels(config):
        raise ConfigError(file.name, "it names neither smtp nor webhook", "add one; docs/alerts.md shows how")
    delivery = deliver(config, Message(f"[{config.server}] test", "Alerts of this server arrive.\n"))
    for failure in delivery.failures.values():
        click.echo(f"eus-etl: {failure}", err=True)
    click.echo(f"sent over {channels(config) - len(delivery.failures)} of {channels(config)} channels")
    sys.exit(1 if delivery.failures else 0)
