"""Hashes recognize a forgotten visit wherever its names would have been matched, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.forgotten import ForgottenNames
from eus_etl.domain.patient_matching import PatientMatcher

ONE = "ba3f892a-9844-4be9-81b7-8c9f08d6b971"
KEY = b"k" * 32


def names(*keys: str) -> ForgottenNames:
    empty = ForgottenNames(KEY, frozenset())
    return ForgottenNames(KEY, frozenset(map(empty.mark_of_key, keys)))


@pytest.mark.parametrize("alias", ["Coming-Ola-52", "(Ola) 5", "Ärger-Ölschmied", "a", "ॐ name"])
def test_an_alias_is_told_however_it_is_written(alias: str) -> None:
    forgotten = names(ONE, alias)
    assert forgotten.has_key(f" {alias.upper()} ")
    assert forgotten.has_path((f"{alias.lower()} part_1.mp4",), "^{key}")
    assert forgotten.has_path((f"the visit {alias}",), "visit {key}")
    assert not forgotten.has_path((f"the visit {alias}",), "^{key}")
    assert not forgotten.has_path((f"{alias}x1",), "^{key}")


WORDS = st.text(st.sampled_from("aB1-_ .(ä"), min_size=1, max_size=9)
PATTERNS = st.sampled_from(["^{key}", "{key}", "^x? ?{key}", "{key}$", "^{key}|{key}$"])


@given(alias=WORDS.filter(str.strip), parts=st.lists(WORDS, min_size=1, max_size=3), pattern=PATTERNS)
def test_it_tells_the_same_paths_as_matching_does(alias: str, parts: list[str], pattern: str) -> None:
    for path in ((*parts,), (*parts, alias), (*parts, f"{alias} {parts[0]}"), (f"{parts[0]}{alias}",)):
        matched = PatientMatcher({ONE: alias}, pattern).of_path(path)
        assert names(ONE, alias).has_path(path, pattern) == bool(matched)


def test_marks_depend_on_the_key_and_tell_keys_from_uploads() -> None:
    one, other = ForgottenNames(KEY, frozenset()), ForgottenNames(b"x" * 32, frozenset())
    assert one.mark_of_key(ONE) != other.mark_of_key(ONE)
    assert one.mark_of_key(ONE) != one.mark_of_upload(ONE)
