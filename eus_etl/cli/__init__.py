"""``eus-etl``: thin commands over the functions that the assets call.

A command imports what it needs when it runs: only the commands that make or follow assets pay for Dagster.
"""

import click

from eus_etl.cli import files, forget, release, review, server, study, upkeep

_COMMANDS = (
    study.demo,
    study.init_home,
    study.run,
    study.sync,
    study.status,
    study.doctor,
    study.adopt,
    review.calibrate,
    review.regions,
    review.report,
    review.sync_check,
    review.trace,
    release.release,
    files.evaluate,
    files.extract,
    files.labels,
    files.check_config,
    upkeep.verify,
    upkeep.gc,
    upkeep.clean_up,
    forget.forget,
    upkeep.upgrade,
    server.watch,
    server.install_service,
    server.worker,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="eus-etl")
def main() -> None:
    """From hospital ultrasound videos to datasets that can be trusted frame by frame."""
    from eus_etl.storage.trouble import silence_libraries

    silence_libraries()


for _command in _COMMANDS:
    main.add_command(_command)
