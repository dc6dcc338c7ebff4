"""How an error reads."""

import pickle

from eus_etl.errors import ConfigError, SourceUnavailableError


def test_subject_cause_and_what_to_do() -> None:
    error = ConfigError("eus_config.yaml", "has no key `root`", "add it")
    assert str(error) == "eus_config.yaml: has no key `root`. What to do: add it."


def test_what_to_do_is_left_out_where_there_is_nothing_to_do() -> None:
    assert str(SourceUnavailableError("1a2b", "is still being written")) == "1a2b: is still being written."


def test_an_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(ConfigError("root", "is missing", "name one")))  # noqa: S301 (our own bytes)
    assert (error.subject, error.cause, error.remedy) == ("root", "is missing", "name one")
