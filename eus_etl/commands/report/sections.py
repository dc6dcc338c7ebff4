"""The sections of the report, in reading order: each a title, a line that says what it shows, its content."""

from dataclasses import dataclass

from eus_etl.commands.report import of_study, of_visits
from eus_etl.commands.report.facts import SCORES_A_VISIT, SHEETS, StudyFacts
from eus_etl.commands.report.markup import Markup, element
from eus_etl.domain.plots.timeline import clock


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page; ``anchor`` is its place in the address."""

    anchor: str
    title: str
    lead: str
    content: Markup


def sections(facts: StudyFacts) -> list[Section]:
    """All of them, in reading order."""
    return [
        Section(
            "stages",
            "Visits by stage",
            "How far each step has come, over all visits.",
            of_visits.stages(facts),
        ),
        Section(
            "visits",
            "Visits",
            "One row per visit. A click on a column's title sorts by it.",
            of_visits.visits(facts),
        ),
        Section(
            "timelines",
            "Timelines",
            "Labels, how certain they are, and the frames' status, over procedure time. Blank: not recorded.",
            of_visits.timelines(facts),
        ),
        Section(
            "balance",
            "Balance of labels",
            "Recorded seconds under each label; each stripe of a bar is one person.",
            of_study.balance(facts),
        ),
        Section(
            "scores",
            "Scores and thresholds",
            f"At most {SCORES_A_VISIT} frames of each visit, evenly spread. Counts are logarithmic, "
            "a line marks each threshold.",
            of_study.scores(facts),
        ),
        Section(
            "drift",
            "Stopwatch and recording",
            "How much longer (right) or shorter (left) the recording is than the procedure.",
            of_visits.drift(facts),
        ),
        Section(
            "labels",
            "Label problems",
            "Intervals that were not used, or used with doubt.",
            of_study.labels(facts),
        ),
        Section("rejected", "Rejected", "What could not be used, and what to do.", of_study.rejected(facts)),
        Section(
            "sheets",
            "Contact sheets",
            f"Masked pictures of at most {SHEETS} visits. Visits that are kept out of releases show none.",
            of_visits.sheets(facts),
        ),
    ]


def tiles(facts: StudyFacts) -> Markup:
    """The numbers at the top."""
    visits = facts.visits
    frames = sum(visit.frames for visit in visits)
    usable = frames - sum(visit.disturbed for visit in visits)
    certain = sum(visit.certain for visit in visits)
    hours = sum(visit.recording_s or 0 for visit in visits) / 3600
    shown = [
        (f"{len(visits):,}", "visits"),
        (f"{len({visit.person for visit in visits}):,}", "persons"),
        (f"{sum(visit.videos for visit in visits):,}", "videos"),
        (f"{hours:.1f} h" if hours >= 1 else clock(hours * 3600), "recorded"),
        (f"{frames:,}", "frames"),
        (_share(usable, frames), "undisturbed"),
        (_share(certain, frames), "with a certain label"),
        (f"{sum(visit.blocked for visit in visits):,}", "visits kept out of releases"),
    ]
    return element(
        "div", *(element("div", element("b", n), element("span", what)) for n, what in shown), class_="tiles"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"
