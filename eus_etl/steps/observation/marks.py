"""Whether a source may show something else than when it was last observed: told without reading it whole."""

from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.connect import Sources
from eus_etl.steps.observation.known_screens import KNOWN_SCREENS
from eus_etl.steps.observation.snapshot import (
    REGION_ROWS,
    aliases_mark,
    visits_mark,
)
from eus_etl.steps.result import version_of
from eus_etl.storage.files.stable_read import revision_of
from eus_etl.storage.source_snapshots import Inventory
from eus_etl.storage.tables.parts import NOBODY, rejected_part

LOOK_AGAIN_S = 15 * 60.0
"""How often everything is read and compared even if nothing seems to have changed."""


def looked_within(seconds: float, looked_at: float, now: float) -> bool:
    """Whether a look is no older; not if the clock was set back since."""
    return looked_at <= now < looked_at + seconds


def read_from(study: StudyConfig, source: str) -> tuple[object, ...]:
    """The configuration of what a source is read from; none for a file that is written by hand."""
    sources = study.sources
    match source:
        case "drive_videos":
            return (sources.videos,)
        case "label_items":
            return sources.label_items, sources.subjects
        case "patient_rows":
            return (sources.patient_rows,)
    return ()


def source_mark(study: StudyConfig, sources: Sources, source: str) -> str | None:
    """Changes when an observation of a source may give something else; None where only one can tell.

    Raises:
        SourceUnavailableError, SourceError, ConfigError: the source cannot be reached.
    """
    revision = _revision(study, sources, source)
    if revision is None:
        return None
    paths = StudyPaths(study.root)
    # a loss changes it as well: the next observation writes again what the last one stored
    stored = [Inventory(paths, source).is_whole, rejected_part(paths, source, NOBODY).is_file()]
    if source == REGION_ROWS:
        stored.append(Inventory(paths, KNOWN_SCREENS).is_whole)
    # a visit that was forgotten is left out, and comes back when that is taken back
    decided = revision_of(paths.forgotten), study.model_dump(mode="json")
    return version_of(revision, _visits_mark(paths, source), stored, decided)


def _revision(study: StudyConfig, sources: Sources, source: str) -> str | None:
    paths = StudyPaths(study.root)
    match source:
        case "drive_videos":
            return sources.videos().revision()
        case "label_items" if study.sources.subjects is None:
            return sources.label_items().revision()
        case "patient_rows":
            return sources.patient_rows().revision()
        case "sync_rows":
            return revision_of(paths.sync_csv)
        case "region_rows":
            return revision_of(paths.regions_csv)
    return None


def _visits_mark(paths: StudyPaths, source: str) -> list[str]:
    """Changes when a file or row may be another visit's: by id and alias these find theirs."""
    match source:
        case "label_items":
            return []
        case "drive_videos":
            return [aliases_mark(paths)]
    return [aliases_mark(paths), visits_mark(paths)]
