import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.patient_matching import PatientMatcher

ONE = "ba3f892a-9844-4be9-81b7-8c9f08d6b971"
TWO = "e7494a52-4294-4710-88a1-d8137a5566fb"
UNKNOWN = "00000000-1111-4222-8333-444444444444"
MATCHER = PatientMatcher({ONE: "Coming-Ola-52", TWO: "Coming-Ola-5"})


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ((ONE, "a.mp4"), {ONE}),
        ((ONE.upper(), "a.mp4"), {ONE}),
        (("2026", f"{ONE} upload 2", "a.mp4"), {ONE}),
        (("Coming-Ola-52", "a.mp4"), {ONE}),
        (("coming-ola-52_part1.mp4",), {ONE}),
        (("Coming-Ola-5", "a.mp4"), {TWO}),
        (("Coming-Ola-5 x", "Coming-Ola-52.mp4"), {ONE, TWO}),
        (("Coming-Ola-521", "a.mp4"), set()),
        (("xComing-Ola-52", "a.mp4"), set()),
        (("the visit Coming-Ola-52", "a.mp4"), set()),
        ((UNKNOWN, "a.mp4"), {UNKNOWN}),
        (("a.mp4",), set()),
        ((), set()),
    ],
)
def test_a_path_belongs_to_the_visit_that_its_names_begin_with(
    parts: tuple[str, ...], found: set[str]
) -> None:
    assert MATCHER.of_path(parts) == found


def test_the_pattern_is_configurable() -> None:
    anywhere = PatientMatcher({ONE: "Coming-Ola-52"}, "visit {key}")
    assert anywhere.of_path(["the visit Coming-Ola-52"]) == {ONE}
    assert anywhere.of_path(["Coming-Ola-52"]) == set()


def test_an_alias_that_two_visits_share_is_ambiguous() -> None:
    shared = PatientMatcher({ONE: "Same-Name-1", TWO: "Same-Name-1"})
    assert shared.of_path(["Same-Name-1"]) == {ONE, TWO}
    assert shared.of_key("same-name-1 ") == {ONE, TWO}


def test_keys_match_whole_only() -> None:
    assert MATCHER.of_key(" COMING-OLA-52 ") == {ONE}
    assert MATCHER.of_key("Coming-Ola") == set()
    assert MATCHER.of_key("") == set()


@given(
    st.dictionaries(
        st.from_regex(r"p[a-z]{3,8}", fullmatch=True),
        st.from_regex(r"[A-Z][a-z]+-[0-9]{1,3}", fullmatch=True),
    )
)
def test_every_visit_is_found_by_its_own_id_whatever_the_others(aliases: dict[str, str]) -> None:
    matcher = PatientMatcher(dict(aliases))
    for patient in aliases:
        assert patient in matcher.of_path([f"{patient} scan.mp4"])


def test_names_meet_however_their_letters_are_composed() -> None:
    decomposed, composed = "Gro\u0308\u00dfe-Ana\u0301-1", "Gr\u00f6\u00dfe-An\u00e1-1"
    for alias, written in ((composed, decomposed), (decomposed, composed), (decomposed, decomposed)):
        match = PatientMatcher({"p": alias})
        assert match.of_path((f"{written} scans", "a.mp4")) == {"p"}
        assert match.of_key(f" {written}") == {"p"}


@given(
    st.text("ab1-_ ", max_size=12),
    st.sampled_from(["^{key}", "{key}", "^scan[ _]{key}", "(?:^|_){key}$", "{key}.*{key}"]),
)
def test_a_pattern_means_what_it_says_for_each_key(name: str, pattern: str) -> None:
    keys = ["a", "ab", "a-b", "b1", "1"]
    found = PatientMatcher(dict.fromkeys(keys), pattern).of_path([name])
    word = "(?<![0-9a-z]){}(?![0-9a-z])"
    assert found == {
        key for key in keys if re.search(pattern.replace("{key}", word.format(re.escape(key))), name)
    }
