"""A message is short, says what is wrong and where, and nothing that came from outside."""

from pathlib import Path

import pytest

from eus_etl.domain.alerts.message import LINES, TITLES, compose
from eus_etl.domain.alerts.problem import Problem
from eus_etl.settings import AlertsConfig
from eus_etl.settings.alerts import KINDS

CONFIG = AlertsConfig(record=Path("told.json"), page="https://etl.example/", time_zone="UTC")


def test_it_names_visit_alias_and_link() -> None:
    run = Problem(
        kind="failed_run",
        study="eusml",
        visit="1111",
        alias="Brisk-Heron-1",
        word="visit",
        detail="run 12ab failed",
        since=0.0,
        link="runs/12ab",
        look="look",
    )
    message = compose([run], CONFIG)
    assert message.subject == "[eus_etl] failed runs (1)"
    assert message.body == (
        "eusml: failed runs (1)\n"
        "- visit 1111 (Brisk-Heron-1): visit: run 12ab failed, since 1970-01-01 00:00 UTC"
        " https://etl.example/runs/12ab\n  What to do: look.\n"
    )


def test_aliases_can_be_left_out() -> None:
    found = Problem(kind="failed_run", study="eusml", visit="1111", alias="Brisk-Heron-1", word="visit")
    assert "Heron" in compose([found], CONFIG).body
    assert "Heron" not in compose([found], CONFIG.model_copy(update={"aliases": False})).body


def test_it_counts_what_a_visit_has_many_of() -> None:
    found = [
        Problem(kind="label_problem", study="eusml", visit="1111", word=word, apart=str(number))
        for number, word in enumerate(["no_stop", "bad_time", "no_stop"])
    ]
    assert "- visit 1111: 1 bad_time, 2 no_stop\n" in compose(found, CONFIG).body


def test_a_storm_is_a_short_message() -> None:
    found = [
        Problem(kind="failed_run", study="eusml", visit=f"{n:03}", word="visit", detail="x")
        for n in range(500)
    ]
    message = compose(found, CONFIG)
    assert message.subject == "[eus_etl] failed runs (500)"
    assert len(message.body.splitlines()) < LINES + 5
    assert f"and {500 - LINES} more" in message.body


def test_what_is_no_word_of_a_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        Problem(kind="unassigned", study="eusml", word="Mrs Smith.mp4")


def test_what_tells_apart_is_shown_nowhere() -> None:
    found = Problem(kind="unassigned", study="eusml", word="matches_nobody", apart="Mrs Smith")
    assert "Smith" not in compose([found], CONFIG).body + found.key + found.line


def test_every_kind_has_a_title() -> None:
    assert set(TITLES) == set(KINDS)
