"""What is told, when, and how often: pure, with the clock in hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from pathlib import Path

from eus_etl.domain.alerts.problem import Problem
from eus_etl.domain.alerts.record import (
    FORGOTTEN_S,
    MESSAGES_AN_HOUR,
    Record,
    after_telling,
    decide,
    morning_due,
)
from eus_etl.settings import AlertsConfig
from eus_etl.settings.alerts import KINDS, Kind

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC).timestamp()
CONFIG = AlertsConfig(record=Path("told.json"), time_zone="UTC", morning_at=time(7, 30))


def problem(kind: Kind = "failed_run", word: str = "visit", **more: object) -> Problem:
    return Problem(kind=kind, study="eusml", word=word, **more)  # type: ignore[arg-type]


class Watch:
    """Looks at given problems at given times, and tells what is due at once."""

    def __init__(self, config: AlertsConfig = CONFIG) -> None:
        self.record, self.config = Record(), config

    def at(self, minute: float, *problems: Problem, looked: Sequence[Kind] = KINDS) -> list[str]:
        now = NOON + 60 * minute
        decision = decide(self.record, problems, looked, self.config, now)
        # as after a restart: the record is all that is left
        saved = after_telling(decision.record, decision.at_once, now).model_dump_json()
        self.record = Record.model_validate_json(saved)
        return [found.word for found in decision.at_once]


def test_a_problem_is_told_once() -> None:
    watch = Watch()
    assert watch.at(0, problem()) == ["visit"]
    assert [watch.at(minute, problem()) for minute in (1, 60, 60 * 24, 60 * 24 * 30)] == [[]] * 4


def test_a_second_problem_of_a_kind_is_told_too() -> None:
    watch = Watch()
    watch.at(0, problem(visit="one"))
    assert watch.at(1, problem(visit="one"), problem(visit="two")) == ["visit"]


def test_one_that_comes_and_goes_is_one_problem() -> None:
    watch = Watch()
    told = [watch.at(minute, *[problem()] * (minute % 2 == 0)) for minute in range(50)]
    assert sum(map(len, told)) == 1


def test_one_that_was_gone_for_an_hour_is_told_again() -> None:
    watch = Watch()
    watch.at(0, problem())
    watch.at(1)
    assert watch.at(1 + FORGOTTEN_S / 60, problem()) == ["visit"]


def test_what_was_not_looked_for_is_not_gone() -> None:
    watch = Watch()
    watch.at(0, problem())
    watch.at(1, looked=["disk"])
    assert watch.at(120, problem()) == []


def test_a_storm_is_one_message() -> None:
    watch = Watch()
    assert len(watch.at(0, *(problem(visit=str(number)) for number in range(500)))) == 500
    assert watch.at(1, *(problem(visit=str(number)) for number in range(500))) == []


def test_what_trickles_in_is_collected() -> None:
    watch = Watch()
    messages = [watch.at(m, *(problem(visit=str(number)) for number in range(m + 1))) for m in range(250)]
    sent = [message for message in messages if message]
    assert sum(map(len, sent)) > 150  # the last hour's are yet to come
    assert len(sent) <= (MESSAGES_AN_HOUR * 250 / 60) + MESSAGES_AN_HOUR


def test_patience_is_counted_from_when_it_began() -> None:
    watch = Watch()
    silent = problem("service", "webserver")
    assert [watch.at(minute, silent) for minute in (0, 1, 2)] == [[], [], []]
    assert watch.at(3, silent) == ["webserver"]
    dead = problem("daemon", "daemon", since=NOON - 600)
    assert watch.at(4, silent, dead) == ["daemon"]


def test_one_that_passes_in_time_is_not_told() -> None:
    watch = Watch()
    silent = problem("service", "webserver")
    assert [watch.at(0, silent), watch.at(1), watch.at(4, silent), watch.at(6, silent)] == [[]] * 4


def test_what_can_wait_waits_for_the_morning() -> None:
    found = problem("label_problem", "no_stop")
    decision = decide(Record(), [found], KINDS, CONFIG, NOON)
    assert (decision.at_once, decision.morning) == ([], [found])


def test_a_morning_comes_once_a_day() -> None:
    early, late = NOON - 5 * 3600, NOON  # 07:00 and 12:00
    assert morning_due(Record(), CONFIG, early) is None
    today = morning_due(Record(), CONFIG, late)
    assert today is not None
    done = Record(morning_on=today)
    assert morning_due(done, CONFIG, late + 3600) is None
    assert morning_due(done, CONFIG, early + 24 * 3600) is None
    assert morning_due(done, CONFIG, late + 24 * 3600) is not None


def test_a_clock_set_back_tells_nothing_twice() -> None:
    watch = Watch()
    watch.at(0, problem())
    assert watch.at(-600, problem()) == []
