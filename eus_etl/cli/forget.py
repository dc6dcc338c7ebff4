"""The command that forgets a visit."""

from typing import TYPE_CHECKING

import click

from eus_etl.cli.options import with_session

if TYPE_CHECKING:
    from eus_etl.commands.forget.run import Forgotten
    from eus_etl.defs.reconcile.local_session import StudySession
    from eus_etl.settings import StudyConfig


@click.command()
@with_session
@click.argument("patient")
@click.option("--all-visits", is_flag=True, help="Also all other visits of the same person.")
@click.option("--only-this-visit", is_flag=True, help="Only this one, though the person has others.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--lift", is_flag=True, help="Let a forgotten visit come back: there is a new consent.")
def forget(
    study: "StudyConfig",
    session: "StudySession",
    patient: str,
    all_visits: bool,
    only_this_visit: bool,
    dry_run: bool,
    lift: bool,
) -> None:
    """Remove a visit whose consent was withdrawn, for good: videos, frames, rows, pictures, events, logs.

    PATIENT is the visit's `patient_id`. A tombstone keeps its sources from bringing it back. If it is
    interrupted, call it again. Releases stay as they are, and are named.
    """
    from eus_etl.commands.forget.names import names_of
    from eus_etl.commands.forget.run import chosen_visits, forget_visit, would_forget
    from eus_etl.domain.paths import StudyPaths
    from eus_etl.errors import ConfigError
    from eus_etl.storage.tombstones import lift_tombstone

    if all_visits and only_this_visit:
        raise ConfigError("--all-visits", "it contradicts `--only-this-visit`", "give one of them")
    if lift:
        names = names_of(study, patient)
        lifted = lift_tombstone(StudyPaths(study.root), names.patient_id)
        said = "the next observation brings it back" if lifted else "it was not forgotten"
        click.echo(f"{names.patient_id}: {said}")
        return
    instance = session.state.instance
    for names in chosen_visits(study, patient, only_this=only_this_visit, whole_person=all_visits):
        if dry_run:
            found = would_forget(study, instance, names)
        else:
            found = forget_visit(study, instance, session.graph, names)
        for line in _lines(found, dry_run=dry_run):
            click.echo(line)


def _lines(found: "Forgotten", *, dry_run: bool) -> list[str]:
    from eus_etl.domain.numbers import bytes_in_units

    done = "would be removed" if dry_run else "removed"
    lines = [
        f"{found.patient_id}: {found.files} files ({bytes_in_units(found.bytes)}), {found.runs} runs, "
        f"{found.events} events of no run {done}"
    ]
    lines += [f"  {count} rows of {path}" for path, count in found.rows.items()]
    lines += [
        f"  release {release} holds it, and releases never change. What to do: have every copy deleted, "
        f"delete releases/{release}, and make another release (docs/privacy.md, Withdrawn consent)"
        for release in found.releases
    ]
    lines += [
        f"  visit {visit} has the same alias: nothing is given to it by this alias any more. What to do: "
        "name its uploads and rows by its id"
        for visit in found.same_alias
    ]
    lines += [
        f"  {', '.join(videos)} is also a video of visit {visit}, and stays there. What to do: if it shows "
        "this person, remove that upload, or forget that visit as well"
        for visit, videos in found.same_videos.items()
    ]
    lines += [
        f"  the study's file names it in releases.{name}.exclude_visits. What to do: take it out there"
        for name in found.excluded_in
    ]
    lines += [f"  {failed.asset} could not be made again: {failed.error}" for failed in found.tables.failed]
    return lines
