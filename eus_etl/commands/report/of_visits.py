"""Sections that show each visit: how far it is, its timeline, its drift, its pictures."""

import base64
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from eus_etl.commands.report.charts import bars, diverging, label_color, legend, stacked, strips
from eus_etl.commands.report.facts import StudyFacts, VisitFacts, numbered
from eus_etl.commands.report.markup import Markup, element, join
from eus_etl.commands.report.tables import Cell, table
from eus_etl.domain.plots.timeline import clock

_STANDINGS = {"done": "good", "stale": "unsure", "missing": "idle", "no video": "none", "failed": "bad"}
_OPEN_TIMELINES = 8
_MOST_DRIFTS = 60


def stages(facts: StudyFacts) -> Markup:
    """How many visits each step is done, stale, missing or failed for."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for visit in facts.visits:
        for asset, standing in visit.status.assets.items():
            counts[asset][standing] += 1
    rows = []
    for asset, found in counts.items():
        parts = [(color, f"{found[name]} {name}", found[name]) for name, color in _STANDINGS.items()]
        said = ", ".join(f"{found[name]} {name}" for name in _STANDINGS if found[name])
        rows.append((asset, stacked(parts, found.total()), said))
    tables = [
        element("li", element("b", name), f": {reason}") for name, reason in facts.status.tables.items()
    ]
    return join(
        [
            legend([(color, name) for name, color in _STANDINGS.items()]),
            bars(rows),
            element("h3", "Tables of the study that are not current") if tables else None,
            element("ul", *tables) if tables else None,
        ]
    )


def visits(facts: StudyFacts) -> Markup:
    """One row per visit, with its lengths, shares and state."""
    persons = numbered(visit.person for visit in facts.visits)
    rows = []
    for visit in facts.visits:
        state, step, why = visit.status.attention
        standing = element("span", state, class_=f"badge {_STANDINGS[state]}")
        person = f"{persons[visit.person]}" if visit.is_person_known else f"{persons[visit.person]} ?"
        rows.append(
            [
                Cell(
                    element("a", visit.name, href=f"#t-{visit.patient_id}", title=visit.patient_id),
                    visit.name,
                ),
                Cell(person, persons[visit.person]),
                Cell(standing, state),
                Cell.number(visit.videos),
                Cell.clock(visit.recording_s),
                Cell.clock(visit.procedure_s),
                Cell.number(visit.frames),
                Cell.share(visit.frames - visit.disturbed, visit.frames),
                Cell.share(visit.certain, visit.frames),
                Cell("sync.csv" if visit.synced else "needed" if visit.flagged else ""),
                Cell.number(sum(visit.status.rejected.values())),
                Cell("blocked" if visit.blocked else ""),
                Cell(f"{step}: {why}" if step else visit.lost or why),
            ]
        )
    titles = [
        *("visit", "person", "state", "videos", "recording", "procedure"),
        *("frames", "undisturbed", "certain", "sync", "rejected", "release", "note"),
    ]
    unsure = any(not visit.is_person_known for visit in facts.visits)
    note = "A question mark: the person is not known, the visit counts as one." if unsure else ""
    return join([table(titles, rows), element("p", note, class_="note") if note else None])


def timelines(facts: StudyFacts) -> Markup:
    """Strips of each visit; the first ones are open."""
    legends = [
        element(
            "div",
            element("b", family),
            legend([(label_color(place), label.name) for place, label in enumerate(labels)]),
        )
        for family, labels in facts.study.families.items()
    ]
    others = [
        ("good", "certain, ok"),
        ("unsure", "not certain"),
        ("bad", "disturbed"),
        ("mark", "Stop Procedure"),
    ]
    legends.append(element("div", element("b", "frames"), legend(others)))
    drawn = [_timeline(visit, is_open=number < _OPEN_TIMELINES) for number, visit in enumerate(facts.visits)]
    return join([element("div", *legends, class_="legends"), *drawn])


def _timeline(visit: VisitFacts, *, is_open: bool) -> Markup:
    if not visit.frames and len(visit.rows) == 1:
        body = element("p", visit.lost or "neither frames nor labels yet", class_="note")
    else:
        first_s, last_s = visit.span_s
        ticks = [element("span", clock(first_s + (last_s - first_s) * part / 4)) for part in range(5)]
        names = [element("span", row.name) for row in visit.rows]
        body = element(
            "div",
            element("div", *names, class_="names"),
            element(
                "div",
                strips(visit.rows, visit.span_s, visit.procedure_s),
                element("div", *ticks, class_="ticks"),
            ),
            class_="timeline",
        )
    reasons = ", ".join(f"{count} {reason}" for reason, count in visit.reasons.items())
    said = f"{visit.frames:,} frames" + (f", disturbed: {reasons}" if reasons else "")
    return element(
        "details",
        element("summary", element("b", visit.name), " ", element("span", said)),
        body,
        id=f"t-{visit.patient_id}",
        open="" if is_open else None,
    )


def drift(facts: StudyFacts) -> Markup:
    """Recording minus procedure, the largest first."""
    known = [(visit, visit.drift_s) for visit in facts.visits]
    drifts = sorted(
        ((visit, drift_s) for visit, drift_s in known if drift_s is not None), key=lambda pair: -abs(pair[1])
    )
    if not drifts:
        return element("p", "no visit has both a recording and Stop Procedure", class_="note")
    shown = drifts[:_MOST_DRIFTS]
    most = max(abs(shown[0][1]), 1.0)
    rows = []
    for visit, drift_s in shown:
        state = "by hand" if visit.synced else "needs sync.csv" if visit.flagged else "alike"
        color = "good" if visit.synced else "bad" if visit.flagged else "idle"
        said = f"{drift_s:+.1f} s, {state}"
        rows.append((visit.name, diverging(drift_s, most, color, said), said))
    meanings = [("good", "related by sync.csv"), ("bad", "flagged: needs sync.csv"), ("idle", "alike")]
    more = f"{len(drifts) - len(shown)} more visits differ by less. " if len(drifts) > len(shown) else ""
    return join(
        [
            legend(meanings),
            bars(rows),
            element(
                "p",
                more,
                element("code", "eus-etl sync-check"),
                " proposes rows for sync.csv.",
                class_="note",
            ),
        ]
    )


def sheets(facts: StudyFacts) -> Markup:
    """Contact sheets of visits that are not kept out of releases."""
    figures = list(_figures(facts.visits))
    blocked = sum(visit.blocked for visit in facts.visits)
    note = f"{blocked} visits are kept out of releases; none of their pictures is here." if blocked else ""
    return join(
        [
            element("p", note, class_="note") if note else None,
            element("div", *figures, class_="sheets")
            if figures
            else element("p", "no picture to show", class_="note"),
        ]
    )


def _figures(visits: Sequence[VisitFacts]) -> Iterator[Markup]:
    for visit in visits:
        for sheet in visit.sheets:
            source = "data:image/webp;base64," + base64.b64encode(sheet.picture).decode()
            yield element(
                "figure",
                element("figcaption", element("b", visit.name), " ", element("span", sheet.recipe)),
                element("img", src=source, alt=f"masked pictures of {visit.name}", loading="lazy"),
            )
