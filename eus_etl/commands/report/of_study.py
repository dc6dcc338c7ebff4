"""Sections that show the study as a whole: labels by person, scores, problems, what was rejected."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from eus_etl.commands.report.charts import bars, histogram, label_color, stacked
from eus_etl.commands.report.facts import StudyFacts, VisitFacts, numbered, problems
from eus_etl.commands.report.markup import Markup, Part, element, join
from eus_etl.commands.report.tables import Cell, table
from eus_etl.domain.plots.thresholds import THRESHOLDS
from eus_etl.domain.plots.timeline import clock

_MOST_ROWS = 1000
_MOST_PERSONS = 12


def balance(facts: StudyFacts) -> Markup:
    """Recorded seconds by label and person."""
    persons = numbered(visit.person for visit in facts.visits)
    parts: list[Part] = []
    for family, labels in facts.study.families.items():
        rows, drawn = [], []
        of_labels = {label.name: _by_person(facts.visits, family, label.name) for label in labels}
        most = max((sum(seconds.values()) for seconds in of_labels.values()), default=0.0)
        for place, (label, seconds) in enumerate(of_labels.items()):
            total = sum(seconds.values())
            ranked = sorted(seconds.items(), key=lambda pair: -pair[1])
            stripes = [
                (f"{label_color(place)}", f"person {persons[who]}: {clock(s)}", s) for who, s in ranked
            ]
            rest = sum(size for _, _, size in stripes[_MOST_PERSONS:])
            stripes = [*stripes[:_MOST_PERSONS], (f"faint {label_color(place)}", "all others", rest)]
            visits = [visit for visit in facts.visits if visit.seconds.get((family, label))]
            said = f"{clock(total)}, {len(ranked)} persons" if total else "none"
            drawn.append((label, stacked(stripes, most), said))
            rows.append(
                [
                    Cell(label),
                    Cell.number(len(ranked)),
                    Cell.number(len(visits)),
                    Cell.clock(total),
                    Cell.share(ranked[0][1] if ranked else 0, total),
                ]
            )
        parts += [
            element("h3", family),
            bars(drawn),
            table(["label", "persons", "visits", "recorded", "largest person"], rows),
        ]
    return join(parts)


def _by_person(visits: Sequence[VisitFacts], family: str, label: str) -> Mapping[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    for visit in visits:
        if own := visit.seconds.get((family, label)):
            seconds[visit.person] += own
    return seconds


def scores(facts: StudyFacts) -> Markup:
    """A histogram of each score that has a threshold."""
    panels = []
    for score, values in facts.scores.items():
        own = [threshold for threshold in THRESHOLDS if threshold.score == score]
        cuts = [threshold.value(facts.study.quality) for threshold in own]
        said = "; ".join(f"{one.reason} {one.relation} {cut:g}" for one, cut in zip(own, cuts, strict=True))
        log = any(threshold.log for threshold in own)
        panels.append(
            element(
                "figure",
                element("figcaption", element("b", score), " ", element("span", f"{len(values):,} frames")),
                histogram(values, cuts, log=log) if values else element("p", "no frame", class_="note"),
                element("p", said, class_="note"),
            )
        )
    return element("div", *panels, class_="panels")


def labels(facts: StudyFacts) -> Markup:
    """How often each problem was found, and each interval that has one."""
    counts = problems(facts.visits)
    if not counts:
        return element("p", "no interval has a problem", class_="note")
    most = max(counts.values())
    drawn = [(name, stacked([("unsure", name, count)], most), f"{count:,}") for name, count in counts.items()]
    rows = [
        [
            Cell(visit.name),
            Cell(f"{row['label']} {row['occurrence']}"),
            Cell(row["status"]),
            Cell(row["problem"].replace("|", ", ")),
            Cell.clock(row["start_s"]),
            Cell.clock(row["stop_s"]),
        ]
        for visit in facts.visits
        for row in visit.doubtful.to_dicts()
    ]
    titles = ["visit", "interval", "status", "problem", "start", "stop"]
    return join([bars(drawn), table(titles, rows[:_MOST_ROWS], left_out(rows))])


def rejected(facts: StudyFacts) -> Markup:
    """Counts by reason, and each rejection without the uploaded name."""
    if facts.rejected.is_empty():
        return element("p", "nothing was rejected", class_="note")
    names = {visit.patient_id: visit.name for visit in facts.visits}
    counts = (
        facts.rejected.group_by("stage", "reason")
        .len()
        .sort("len", "stage", "reason", descending=[True, False, False])
    )
    summary = [
        [Cell(stage), Cell(reason.replace("|", ", ")), Cell.number(count)]
        for stage, reason, count in counts.iter_rows()
    ]
    rows = [
        [
            Cell(names.get(row["patient_id"], row["patient_id"]) if row["patient_id"] else "unassigned"),
            Cell(row["stage"]),
            Cell(row["item"]),
            Cell(str(row["reason"]).replace("|", ", ")),
            Cell(row["detail"]),
            Cell(row["remedy"] or ""),
        ]
        for row in facts.rejected.sort("patient_id", "stage", nulls_last=False)
        .head(_MOST_ROWS + 1)
        .to_dicts()
    ]
    titles = ["visit", "stage", "item", "reason", "what was found", "what to do"]
    return join(
        [
            table(["stage", "reason", "times"], summary),
            element("h3", "Each of them"),
            table(titles, rows[:_MOST_ROWS], left_out(rows, facts.rejected.height)),
        ]
    )


def left_out(rows: Sequence[object], total: int | None = None) -> str:
    """What is said below a table that does not show all rows."""
    count = (len(rows) if total is None else total) - _MOST_ROWS
    return f"{count:,} more rows are not shown; the study's tables have them." if count > 0 else ""
