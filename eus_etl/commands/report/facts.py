"""What the report shows of each visit, read once from its tables and its masked pictures."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from eus_etl.commands.report.charts import Layer, Row, label_color
from eus_etl.defs.status import StudyStatus, VisitStatus
from eus_etl.domain.frame_table import labelled_seconds, reason_counts, synchronised
from eus_etl.domain.images.codec import decode_image
from eus_etl.domain.labels.on_frames import used_intervals
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.contact_sheet import for_page
from eus_etl.domain.plots.strips import Edges, edges_over, occupied, runs, span
from eus_etl.domain.plots.thresholds import THRESHOLDS
from eus_etl.domain.sampling import spread
from eus_etl.domain.tables.catalog import LABELS, REJECTED, VIDEOS, frame_table
from eus_etl.domain.timeline import needs_sync, recording_length
from eus_etl.errors import FramesMissingError, OutputLostError
from eus_etl.settings import StudyConfig
from eus_etl.steps.labels import procedure_end_of
from eus_etl.steps.observation.snapshot import subject_of, sync_rows_of
from eus_etl.steps.previews.contact_sheets import draw_visit_sheet
from eus_etl.steps.previews.safe_images import shown_frames
from eus_etl.steps.release_blocks import blocked_patients
from eus_etl.storage.files.listing import listed
from eus_etl.storage.tables.parts import load_frame_table, load_part
from eus_etl.storage.tables.table_files import read_part

SHEETS = 40
"""Contact sheets in a report, of visits spread over the study: 20 kB each."""
SCORES_A_VISIT = 500
"""Frames of a visit, evenly spread, whose scores are shown."""
_INTERVALS = 200
_COLUMNS, _LEAST_COLUMNS, _ALL_COLUMNS = 400, 60, 60_000
SCORED = tuple(dict.fromkeys(threshold.score for threshold in THRESHOLDS))


@dataclass(frozen=True, slots=True)
class Sheet:
    """Masked pictures of a visit by one recipe, a WebP file."""

    recipe: str
    picture: bytes


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """One visit.

    Attributes:
        status: its assets, and what was rejected of it.
        person: its subject id; the visit's id where the person is not known.
        is_person_known: whether it is.
        blocked: its pictures are kept out of releases, and out of the report.
        lost: why its tables could not be read; None if they could.
        videos, frames, disturbed, certain: how many.
        recording_s, procedure_s: lengths; None where unknown.
        synced, flagged: ``sync.csv`` has a row for each video; its lengths differ too much without one.
        reasons: reasons of disturbed frames to their number.
        seconds: recorded seconds under (family, label).
        rows: the strips of its timeline.
        span_s: procedure time that they cover.
        doubtful: ``tables.LABELS`` of intervals with a problem.
        sheets: contact sheets, at most one per recipe.
    """

    status: VisitStatus
    person: str
    is_person_known: bool
    blocked: bool
    lost: str | None
    videos: int
    frames: int
    disturbed: int
    certain: int
    recording_s: float | None
    procedure_s: float | None
    synced: bool
    flagged: bool
    reasons: Mapping[str, int]
    seconds: Mapping[tuple[str, str], float]
    rows: Sequence[Row]
    span_s: tuple[float, float]
    doubtful: pl.DataFrame
    sheets: Sequence[Sheet]

    @property
    def patient_id(self) -> str:
        """The visit's id."""
        return self.status.patient_id

    @property
    def name(self) -> str:
        """Its alias, or the beginning of its id."""
        return self.status.alias or f"{self.patient_id[:8]}..."

    @property
    def drift_s(self) -> float | None:
        """How much longer the recording is than the procedure; None where one is unknown."""
        if self.recording_s is None or self.procedure_s is None:
            return None
        return self.recording_s - self.procedure_s


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What the report shows.

    Attributes:
        study: the configuration.
        status: what concerns no single visit.
        visits: every visit that is known.
        rejected: ``tables.REJECTED`` without uploaded names.
        scores: of each score with a threshold, the values of some frames of each visit.
    """

    study: StudyConfig
    status: StudyStatus
    visits: Sequence[VisitFacts]
    rejected: pl.DataFrame
    scores: Mapping[str, Sequence[float]]


def gather(study: StudyConfig, status: StudyStatus, visits: Sequence[VisitStatus]) -> StudyFacts:
    """Read all that the report shows; what cannot be read of one visit leaves the others as they are."""
    paths = StudyPaths(study.root)
    blocked = blocked_patients(study)
    pictured = [visit.patient_id for visit in visits if visit.patient_id not in blocked]
    pictured = [patient for patient in pictured if _has_pictures(study, paths, patient)]
    chosen = {pictured[place] for place in spread(len(pictured), SHEETS)}
    columns = max(_LEAST_COLUMNS, min(_COLUMNS, _ALL_COLUMNS // max(1, len(visits))))
    scores: dict[str, list[float]] = {score: [] for score in SCORED}
    facts = []
    for visit in visits:
        table, lost = _frames_of(study, paths, visit.patient_id)
        for score, values in _scores_of(table).items():
            scores[score] += values
        sheets = _sheets(study, visit.patient_id) if visit.patient_id in chosen else ()
        is_blocked = visit.patient_id in blocked
        facts.append(_facts(study, paths, visit, table, lost, columns, sheets, is_blocked=is_blocked))
    parts = listed(paths.parts(REJECTED.name), "*/*.parquet")
    rejected = pl.concat([REJECTED.empty(), *(read_part(part, REJECTED) for part in parts)])
    return StudyFacts(study, status, facts, rejected.drop("file_name"), scores)


def _frames_of(study: StudyConfig, paths: StudyPaths, patient_id: str) -> tuple[pl.DataFrame, str | None]:
    table = frame_table(study.families)
    try:
        return load_frame_table(paths, table, patient_id), None
    except OutputLostError as error:
        return table.empty(), error.cause


def _facts(
    study: StudyConfig,
    paths: StudyPaths,
    status: VisitStatus,
    table: pl.DataFrame,
    lost: str | None,
    columns: int,
    sheets: Sequence[Sheet],
    *,
    is_blocked: bool,
) -> VisitFacts:
    patient_id = status.patient_id
    try:
        videos, labels = load_part(paths, VIDEOS, patient_id), load_part(paths, LABELS, patient_id)
        procedure_s = procedure_end_of(paths, patient_id)
        subject, sync = subject_of(paths, patient_id), sync_rows_of(paths, patient_id)
    except OutputLostError as error:
        videos, labels, procedure_s, lost = VIDEOS.empty(), LABELS.empty(), None, error.cause
        subject, sync = None, pl.DataFrame(schema={"video_id": pl.String()})
    synced = bool(videos.height) and all(synchronised(videos, sync))
    recording_s = recording_length(videos)
    timed = table.drop_nulls("procedure_s").sort("procedure_s")
    used = used_intervals(labels)
    span_s = span(timed, used, procedure_s)
    return VisitFacts(
        status=status,
        person=subject or patient_id,
        is_person_known=subject is not None,
        blocked=is_blocked,
        lost=lost,
        videos=videos.height,
        frames=table.height,
        disturbed=int(table["disturbed"].sum()),
        certain=int(table["label_certain"].sum()),
        recording_s=recording_s,
        procedure_s=procedure_s,
        synced=synced,
        flagged=needs_sync(recording_s, procedure_s, synced, study.timeline),
        reasons=reason_counts(table),
        seconds=labelled_seconds(table, videos, list(study.families)),
        rows=_rows(study, timed, used, edges_over(timed, span_s, columns)),
        span_s=span_s,
        doubtful=labels.filter(pl.col("problem").is_not_null()),
        sheets=sheets,
    )


def _rows(study: StudyConfig, timed: pl.DataFrame, used: pl.DataFrame, edges: Edges) -> list[Row]:
    """Families that have labels, whether these are certain, and the status; blank: nothing was recorded."""
    rows = []
    for family, labels in study.families.items():
        of_family = used.filter(pl.col("family") == family).head(_INTERVALS)
        layers = []
        for place, label in enumerate(labels):
            for status, faint in (("ok", ""), ("suspect", " faint")):
                alike = of_family.filter(label=label.name, status=status)
                title = f"{label.name}, suspect" if faint else label.name
                bars = alike.select("start_s", "stop_s").rows()
                layers.append(Layer(f"{label_color(place)}{faint}", title, bars))
        if of_family.height:
            rows.append(Row(family, layers))
    all_frames = timed["procedure_s"]
    if rows:
        certain = _spans(timed.filter("label_certain")["procedure_s"], edges)
        uncertain = Layer("unsure", "label not certain", _spans(all_frames, edges))
        rows.append(Row("certain", [uncertain, Layer("good", "label certain", certain)]))
    disturbed = _spans(timed.filter("disturbed")["procedure_s"], edges)
    whole = [Layer("good", "ok", _spans(all_frames, edges)), Layer("bad", "disturbed", disturbed)]
    return [*rows, Row("status", whole)]


def _spans(times: pl.Series, edges: Edges) -> list[tuple[float, float]]:
    starts, stops = runs(occupied(times, edges))
    return list(zip(edges[starts].tolist(), edges[stops].tolist(), strict=True))


def _scores_of(table: pl.DataFrame) -> Mapping[str, list[float]]:
    some = table[spread(table.height, SCORES_A_VISIT)]
    concerned = {threshold.score: threshold.concerned() for threshold in THRESHOLDS}
    return {score: some.filter(concerned[score])[score].to_list() for score in SCORED}


def _has_pictures(study: StudyConfig, paths: StudyPaths, patient_id: str) -> bool:
    try:
        recipes = study.preprocess.recipes
        return any(shown_frames(paths, patient_id, recipe).height for recipe in recipes)
    except (OutputLostError, OSError):
        return False


def _sheets(study: StudyConfig, patient_id: str) -> list[Sheet]:
    """Of masked pictures that may be shown; one that is lost leaves the sheet out."""
    sheets = []
    for recipe in study.preprocess.recipes:
        try:
            drawn = decode_image(draw_visit_sheet(study, patient_id, recipe), "bgr")
        except (FramesMissingError, OutputLostError):
            continue
        if drawn is not None:
            sheets.append(Sheet(recipe, for_page(drawn)))
    return sheets


def problems(visits: Sequence[VisitFacts]) -> Mapping[str, int]:
    """Problems of intervals to how often each was found; an interval may have several."""
    found = Counter[str]()
    for visit in visits:
        for problem in visit.doubtful["problem"]:
            found.update(str(problem).split("|"))
    return dict(found.most_common())


def numbered(persons: Iterable[str]) -> Mapping[str, int]:
    """Persons numbered from 1, in the order in which they come."""
    return {person: number for number, person in enumerate(dict.fromkeys(persons), 1)}
