"""Makes a release: drafts it, builds it beside its place, publishes it, and settles the ledger."""

from collections.abc import Callable, Set

from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.release.build import build
from eus_etl.steps.release.draft import draft
from eus_etl.steps.release.records import recover, settle
from eus_etl.steps.result import StepResult


def make_release(
    study: StudyConfig,
    name: str,
    *,
    accept_unreviewed: bool = False,
    stale: Set[str] = frozenset(),
    progress: Callable[[str], None] | None = None,
) -> StepResult:
    """Make a release, or find it; the caller holds the study's lock, and the study's tables are current.

    Args:
        study: the configuration.
        name: of the selection.
        accept_unreviewed: take visits that nobody signed off, unless they are blocked.
        stale: ids of visits that are not current: they are left out.
        progress: called with what is being done.

    Raises:
        ConfigError, PermanentError, OutputLostError: see ``draft``.
        LeakError: a picture of validation or test is too much like one of training.
        FramesMissingError: a picture is gone or is another one.
        DiskFullError: the disk is full; nothing is left behind.
    """
    paths = StudyPaths(study.root)
    recover(paths)
    made = draft(study, name, accept_unreviewed=accept_unreviewed, stale=stale)
    release = made.record.release
    facts: dict[str, int | str] = {"release": release, "name": name}
    if made.found:
        facts["outcome"] = "it exists already: nothing has changed"
    else:
        done = build(study, made, progress or (lambda _: None))
        settle(paths, release)
        facts |= {"outcome": "made", "leaks": done.leaks}
    content = made.content
    for split in ("train", "validation", "test"):
        facts[f"frames of {split}"] = content.frames.filter(split=split).height
    facts |= {"visits": content.patients.height, "unreviewed_visits": content.unreviewed}
    facts |= {f"left out: {why}": counts["frames"] for why, counts in content.left_out.items()}
    folder = paths.releases / release
    return StepResult(release, {**facts, "folder": folder}, outputs=(folder,))
