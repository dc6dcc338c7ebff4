"""The report as bytes: nothing but text comes from outside, and its size is bounded."""

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.commands.report.charts import histogram, strips
from eus_etl.commands.report.facts import gather
from eus_etl.commands.report.markup import element
from eus_etl.commands.report.page import report_page
from eus_etl.defs.status import VisitStatus
from eus_etl.domain.tables.catalog import TEXT_CHECKS
from eus_etl.settings import load_shipped_study
from eus_etl.storage.tables.parts import write_part
from eus_etl_tests.commands.report.made_facts import hostile, study_facts, visit_facts
from eus_etl_tests.support.commands import call

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
EVIL = '"><script>window.hacked=1</script><img src="https://evil.example/x" onerror="window.hacked=2">'


class Elements(HTMLParser):
    """Names and attributes of all elements of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag == name]


def test_text_from_outside_stays_text() -> None:
    facts = hostile(study_facts(load_shipped_study("eusml"), [visit_facts(1), visit_facts(2)]), EVIL)
    page = report_page(facts, NOON)
    elements = Elements(page)
    assert len(elements.named("script")) == 1
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    sources = [image["src"] or "" for image in elements.named("img")]
    assert sources
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert b"&lt;script&gt;window.hacked" in page


def test_the_policy_lets_nothing_be_loaded_and_only_the_pages_own_script_run() -> None:
    page = report_page(study_facts(load_shipped_study("eusml"), [visit_facts(1)]), NOON)
    elements = Elements(page)
    (policy,) = [meta["content"] for meta in elements.named("meta") if "http-equiv" in meta]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not elements.named("link")
    assert all((link["href"] or "").startswith("#") for link in elements.named("a"))
    assert not [name for _, attributes in elements.found for name in attributes if name == "style"]


def test_the_same_facts_give_the_same_bytes_and_no_uploaded_name() -> None:
    facts = study_facts(load_shipped_study("eusml"), [visit_facts(1)])
    page = report_page(facts, NOON)
    assert page == report_page(facts, NOON)
    assert b"Name of a Person" not in page


def test_a_thousand_visits_of_two_hours_fit_into_a_few_megabytes() -> None:
    visits = [visit_facts(number) for number in range(1000)]
    page = report_page(study_facts(load_shipped_study("eusml"), visits), NOON)
    assert len(page) < 9_000_000
    assert page.count(b"<details") == 1000
    assert page.count(b"<details id=") - page.count(b' open=""') == 1000 - 8


def test_a_report_of_a_finished_hospital_shows_its_visits_and_masked_pictures(
    made_hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(made_hospital.home))
    out = made_hospital.folder / "report.html"
    done = call("report", "--config", made_hospital.config, "--out", out)
    assert done.exit_code == 0, done.output
    page = out.read_text()
    assert "Brisk-Heron-1" in page
    assert "first.mp4" not in page
    assert page.count("data:image/webp;base64,") == 2


def test_blocked_visits_show_no_picture(made_hospital: TinyHospital) -> None:
    study, paths = made_hospital.study, made_hospital.paths
    blocking = {"patient_id": ONE, "layout_id": "any", "recipe": "small", "blocks": True}
    write_part(paths, TEXT_CHECKS, ONE, TEXT_CHECKS.frame([blocking]))
    facts = gather(study, study_facts(study, []).status, [visit_facts(0).status, *statuses(ONE, TWO)])
    shown = {visit.patient_id: (visit.blocked, len(visit.sheets)) for visit in facts.visits}
    assert shown[ONE] == (True, 0)
    assert shown[TWO] == (False, 1)
    # a visit of which nothing is known stands in the report all the same
    assert facts.visits[0].frames == 0


def statuses(*patients: str) -> list[VisitStatus]:
    return [replace(visit_facts(1).status, patient_id=patient) for patient in patients]


@pytest.mark.parametrize("values", [[], [1.0], [3.0, 3.0, 3.0], [0.0, 1e9]])
@pytest.mark.parametrize("log", [True, False])
def test_a_histogram_is_drawn_of_any_values(values: list[float], log: bool) -> None:
    drawn = histogram(values, [2.0], log=log)
    assert "nan" not in drawn
    assert "inf" not in drawn


def test_markup_escapes_attributes_and_text() -> None:
    assert element("a", "<b>", title='"x"') == '<a title="&quot;x&quot;">&lt;b&gt;</a>'
    assert strips([], (0.0, 0.0)).startswith("<svg")
