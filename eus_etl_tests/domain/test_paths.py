from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.paths import is_safe_id, safe_file_name


@given(st.text())
def test_a_safe_name_is_one_path_component(name: str) -> None:
    safe = safe_file_name(name)
    assert safe
    assert "/" not in safe
    assert "\\" not in safe
    assert not safe.startswith(".")
    assert len(safe.encode()) <= 200
    assert safe_file_name(safe) == safe


@given(st.text(min_size=1, max_size=30), st.sampled_from(["mp4", "mpeg", "dcm"]))
def test_the_suffix_is_kept(stem: str, suffix: str) -> None:
    assert safe_file_name(f"{stem}.{suffix}").endswith(suffix)


def test_examples() -> None:
    assert safe_file_name("../../etc/passwd") == "_.._etc_passwd"
    assert safe_file_name(".hidden scan.mp4") == "hidden scan.mp4"
    assert safe_file_name("Größe 1.mp4") == "Größe 1.mp4"
    assert safe_file_name("...") == "file"
    assert safe_file_name("\udcff.mp4") == "_.mp4"


def test_ids() -> None:
    assert is_safe_id("ba3f892a-9844-4be9-81b7-8c9f08d6b971")
    for bad in ("", "_nobody", "a,b", "a/b", ".", "..", "a b", "x" * 65, "a\n"):
        assert not is_safe_id(bad)
