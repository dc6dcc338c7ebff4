"""What of one study needs a person, from what is kept of it; no source is asked."""

from collections.abc import Iterator

from eus_etl.commands.doctor.access import servers
from eus_etl.commands.doctor.machine import clock_against
from eus_etl.commands.upkeep.verification import last_findings
from eus_etl.domain.alerts.problem import Problem
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.settings.alerts import AlertsConfig, Kind
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, alias_of
from eus_etl.steps.observation.unseen import unseen_since
from eus_etl.storage.files.listing import listed
from eus_etl.storage.provenance import STUDY, read_page
from eus_etl.storage.tables.parts import all_rejected

DAY_S = 24 * 3600.0

_FITS_NO_VISIT = ("matches_nobody", "matches_several", "unknown_patient", "several_patients")
_LABELS, _TEXT = "labels", "readable_text"
_SYNCHRONISED = "synchronised"


def unreachable_sources(study: StudyConfig) -> Iterator[Problem]:
    """Sources that could not be observed when last tried."""
    for source, since in unseen_since(StudyPaths(study.root)).items():
        yield Problem(
            kind="source_unreachable",
            study=study.study,
            word=source,
            detail="could not be read",
            since=since,
            look="`eus-etl doctor` says why; what is known of it stays, and nothing new is seen",
        )


def rejections(study: StudyConfig) -> Iterator[Problem]:
    """What could not be used and a person can do something about; what needs nothing done is left out."""
    paths = StudyPaths(study.root)
    aliases: dict[str, str | None] = {}
    rows = all_rejected(paths).select("patient_id", "stage", "item", "file_name", "reason", "remedy")
    for visit, stage, item, file_name, reason, remedy in rows.iter_rows():
        if remedy is None:
            continue
        if visit is not None and visit not in aliases:
            aliases[visit] = alias_of(paths, visit)
        yield Problem(
            kind=_kind(stage, reason, is_file=file_name is not None),
            study=study.study,
            visit=visit or "",
            alias=aliases.get(visit),
            word=reason,
            apart=f"{stage}\0{item}\0{file_name}",
            look="rejected.csv of the study says of each what to do",
        )


def clock_drifts(study: StudyConfig) -> Iterator[Problem]:
    """Visits whose recording and labels disagree about time, and sources by whose clock ours is off."""
    paths = StudyPaths(study.root)
    for page in listed(paths.pages, "*.json"):
        visit = page.stem
        entry = None if visit == STUDY else read_page(paths, visit).get("frame_table")
        check = entry.checks.get(_SYNCHRONISED) if entry else None
        if check is not None and not check.passed:
            yield Problem(
                kind="clock_drift",
                study=study.study,
                visit=visit,
                alias=alias_of(paths, visit),
                word="not_synchronised",
                look="give the visit a row in sync.csv; docs/labels.md explains how",
            )
    for url, server in servers(study).items():
        finding = clock_against(server, url)
        if finding.outcome != "ok":
            yield Problem(
                kind="clock_drift",
                study=study.study,
                word="this_machine",
                detail=f"against {server}: {finding.found}",
                apart=server,
                look=finding.remedy,
            )


def damages(study: StudyConfig) -> Iterator[Problem]:
    """What the last verification found damaged or missing and no run makes again: raw videos and releases."""
    for finding in last_findings(StudyPaths(study.root)):
        if finding.is_loss and finding.remedy:
            yield Problem(
                kind="damaged_data",
                study=study.study,
                word=finding.kind,
                detail=f"{finding.subject}: {finding.cause}",
                apart=finding.subject,
                look="`eus-etl verify` says of each what to do; once it finds all of it whole, this ends",
            )


def lull(study: StudyConfig, config: AlertsConfig, now: float) -> Iterator[Problem]:
    """One problem where no upload has come or changed for longer than it should."""
    observed = listed(StudyPaths(study.root).observed(DRIVE_VIDEOS), "*-*.json")
    if not observed or config.nothing_new_days is None:
        return
    last = max(file.stat().st_mtime for file in observed)
    days = (now - last) / DAY_S
    if days >= config.nothing_new_days:
        yield Problem(
            kind="nothing_new",
            study=study.study,
            word=DRIVE_VIDEOS,
            detail=f"no upload has come or changed for {days:.0f} days",
            apart=f"{last:.0f}",
            look="see whether videos are uploaded, and to the folder that the configuration names",
        )


def _kind(stage: str, reason: str, *, is_file: bool) -> Kind:
    if reason in _FITS_NO_VISIT:
        return "unassigned"
    if stage == _LABELS:
        return "label_problem"
    if reason == _TEXT:
        return "text_check"
    return "rejected_file" if is_file else "rejected_row"
