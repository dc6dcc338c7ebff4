"""Label items in JSON files: every shape and spelling of an export, and what must not come out of it."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from eus_etl.domain.labels.item_values import ItemRules
from eus_etl.errors import SourceError, SourceUnavailableError
from eus_etl.sources.label_items.base import ItemScan, LabelItem, LabelItemSource
from eus_etl.sources.label_items.json_file import JsonItems

RULES = ItemRules(frozenset({"fna", "a"}), ("AIMS",))
PK = "ba3f892a-9844-4be9-81b7-8c9f08d6b971"
OTHER = "e7494a52-4294-4710-88a1-d8137a5566fb"
TYPED = {
    "pk": {"S": PK},
    "pseudo_name": {"S": "Coming-Ola-52"},
    "Start FNA 1": {"S": "00:01:40"},
    "Stop FNA 1": {"NULL": True},
    "cancer": {"BOOL": True},
    "morphology": {"L": [{"S": "Cysts"}, {"S": "Mass"}]},
    "morphology_presumed": {"SS": ["CCP"]},
    "biopsy": {"S": "Adenocarcinoma of Frau Quillfeather"},
    "doctor": {"S": "Dr. Morgenthaler"},
    "mrd_hash": {"S": "261a5d290e06"},
    "remarks": {"M": {"free": {"S": "Quillfeather"}}},
}
PLAIN = {
    "pk": PK,
    "pseudo_name": "Coming-Ola-52",
    "Start FNA 1": "00:01:40",
    "Stop FNA 1": None,
    "cancer": True,
    "morphology": ["Cysts", "Mass"],
    "morphology_presumed": ["CCP"],
    "biopsy": "Adenocarcinoma of Frau Quillfeather",
    "doctor": "Dr. Morgenthaler",
    "mrd_hash": "261a5d290e06",
    "remarks": {"free": "Quillfeather"},
}
EXPECTED = LabelItem(
    PK,
    "Coming-Ola-52",
    {
        "pseudo_name": "Coming-Ola-52",
        "Start FNA 1": "00:01:40",
        "Stop FNA 1": None,
        "cancer": True,
        "morphology": ["Cysts", "Mass"],
        "morphology_presumed": ["CCP"],
    },
)

Scan = Callable[..., ItemScan]


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """Write a file of text, bytes or JSON and scan it."""

    def write_and_scan(content: object, items_at: str | None = None) -> ItemScan:
        path = tmp_path / "Frau Quillfeather.json"
        if not isinstance(content, bytes):
            content = (content if isinstance(content, str) else json.dumps(content)).encode()
        path.write_bytes(content)
        source: LabelItemSource = JsonItems(path, items_at, RULES)
        return source.scan()

    return write_and_scan


@pytest.mark.parametrize(
    "content",
    [
        [TYPED],
        [PLAIN],
        {"Items": [TYPED], "Count": 1, "ScannedCount": 1, "ConsumedCapacity": None},
        {"Items": [PLAIN], "LastEvaluatedKey": None},
        {"Item": TYPED},
        [{"Item": TYPED}],
        TYPED,
        PLAIN,
        json.dumps(TYPED, indent=2),
        json.dumps({"Item": TYPED}) + "\n",
        "\ufeff" + json.dumps([TYPED]),
        json.dumps([PLAIN]).encode("utf-16"),
        [{**TYPED, "cancer": True}],
        [{**PLAIN, "Start FNA 1": {"S": "00:01:40"}}],
    ],
)
def test_every_shape_gives_the_same_item(scan: Scan, content: object) -> None:
    assert scan(content) == ItemScan((EXPECTED,), ())


def test_lines_of_an_export(scan: Scan) -> None:
    # a line separator of Unicode may stand inside of a JSON text
    lines = [{"Item": TYPED}, {"Item": {"pk": {"S": OTHER}, "pseudo_name": {"S": "a\u2028b"}}}]
    found = scan("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n")
    assert [(item.patient_id, item.pseudo_name) for item in found.items] == [
        (PK, "Coming-Ola-52"),
        (OTHER, "a b"),
    ]


def test_a_file_of_several_tables(scan: Scan, shared: Path) -> None:
    sample = shared / "labels" / "labeller_items_sample.json"
    eus, liver = JsonItems(sample, "eus.patient").scan(), JsonItems(sample, "liver.patient").scan()
    assert [item.pseudo_name for item in eus.items] == ["Coming-Ola-52", "Rival-Calypso-75"]
    assert [item.pseudo_name for item in liver.items] == ["Balanced-Shara-79"]
    assert not eus.rejected
    assert "Adenocarcinoma" not in repr(eus)
    assert scan([TYPED], "eus.patient").items == (EXPECTED,)


@pytest.mark.parametrize("items_at", [None, "eus", "eus.nothing", "eus.patient.0"])
def test_several_tables_without_a_way_to_one(shared: Path, items_at: str | None) -> None:
    with pytest.raises(SourceError, match="items_at"):
        JsonItems(shared / "labels" / "labeller_items_sample.json", items_at).scan()


def test_numbers_and_what_only_looks_typed_are_no_times(scan: Scan) -> None:
    typed = {"pk": PK, "Start A 1": {"N": "12"}, "Start A 2": {"N": "-1.5e1"}, "Start A 3": {"N": "x"}}
    odd = {"Start A 4": {"S": "a", "N": "1"}, "Start A 5": {"BOOL": "true"}, "Start A 6": {"S": 5}}
    (item,) = scan([typed | odd]).items
    assert item.attributes == dict.fromkeys([*typed.keys() - {"pk"}, *odd], "?")


def test_no_free_text_is_kept_wherever_it_is_written(scan: Scan) -> None:
    strange = {
        "pk": {"S": PK},
        "pseudo_name": {"S": "Coming-Ola-52"},
        "org": {"S": "ZQORG"},
        "Date": {"S": "2026-10-05T ZQDATE"},
        "cancer": {"S": "ZQCANCER"},
        "morphology": {"L": [{"S": "ZQMORPH"}, {"S": " mass "}]},
        "morphology_presumed": {"S": "ZQMORPH"},
        "Start FNA 1": {"S": "ZQTIME 00:00:01"},
        "Start ZQLABEL Jane 1": {"S": "00:00:01"},
        "Stop ZQLABEL Jane 1": {"S": "00:00:02"},
        "Stop ZQLABEL Jane 2": {"S": "00:00:03"},
        "Stop Reason": {"S": "ZQ fainted"},
        "Start Notes": {"M": {"ZQKEY": {"S": "ZQVALUE"}}},
        "Stop Procedure": {"S": "ZQSTOP"},
        "ZQUNKNOWN": {"S": "ZQ"},
    }
    (item,) = scan([strange]).items
    assert item.attributes == {
        "pseudo_name": "Coming-Ola-52",
        "org": "?",
        "Date": "2026-10-05",
        "cancer": "?",
        "morphology": ["?", "Mass"],
        "morphology_presumed": ["?"],
        "Start FNA 1": "?",
        "Start unknown label 1 1": "?",
        "Start unknown label 2 1": "00:00:01",
        "Stop unknown label 2 1": "00:00:02",
        "Stop unknown label 2 2": "00:00:03",
        "Stop unknown label 3 1": "?",
        "Stop Procedure": "?",
    }
    (plain,) = scan([{"pk": PK, "org": " aims", "cancer": " YES", "Date": "2026-10-05"}]).items
    assert plain.attributes == {"org": "AIMS", "cancer": "yes", "Date": "2026-10-05"}


@pytest.mark.parametrize("pk", ["8812345", "../../../x", "/etc/passwd", "a\0b", "Jane", "x" * 900, PK + "x"])
def test_a_pk_that_is_no_uuid_is_refused_and_named_by_its_position(scan: Scan, pk: str) -> None:
    found = scan([PLAIN, {"pk": pk}])
    assert [(bad.item, bad.reason) for bad in found.rejected] == [("item 2", "unsafe_pk")]
    assert pk not in repr(found.rejected)
    assert [item.patient_id for item in found.items] == [PK]


def test_what_aws_writes_is_read(scan: Scan) -> None:
    other = {"pk": {"S": OTHER}}
    exported = "\n".join(json.dumps({"Item": item}) for item in (TYPED, other)) + "\n"
    pages = [{"Items": [TYPED], "LastEvaluatedKey": {"pk": {"S": PK}}}, {"Items": [other], "Count": 1}]
    for content in (
        gzip.compress(exported.encode()),
        "\n".join(map(json.dumps, pages)),
        "".join(json.dumps(page, indent=2) + "\n" for page in pages),
        pages,
    ):
        assert [item.patient_id for item in scan(content).items] == [PK, OTHER]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ([{"Items": [], "LastEvaluatedKey": {"pk": {"S": PK}}}] * 2, "longer scan"),
        ([{"Keys": {"pk": {"S": PK}}, "NewImage": TYPED, "Metadata": {}}], "changes since"),
        ('{"Keys": {}, "OldImage": {}}\n{"Keys": {}}', "changes since"),
        (gzip.compress(b"Quillfeather", mtime=0)[:-4], "gzip"),
        (gzip.compress(b"Quillfeather", mtime=0), "not valid JSON"),
    ],
)
def test_what_aws_writes_otherwise_is_named(scan: Scan, content: object, cause: str) -> None:
    with pytest.raises(SourceError, match=cause) as caught:
        scan(content)
    assert "Quillfeather" not in str(caught.value)


def test_half_a_character_does_not_break_what_follows(scan: Scan) -> None:
    item_of_escapes = {"pk": PK, "pseudo_name": "a\ud800b", "Start \ud800 1": "x"}
    (item,) = scan([item_of_escapes]).items
    assert item.pseudo_name == "a?b"
    repr(item).encode()


def test_items_that_cannot_be_taken_hide_no_others(scan: Scan) -> None:
    last = {"pk": {"S": PK}, "pseudo_name": {"S": "second"}}
    found = scan([TYPED, "text", {"pseudo_name": "x"}, {"pk": {"N": "5"}}, {"pk": "../Quillfeather"}, last])
    assert found.items == (LabelItem(PK, "second", {"pseudo_name": "second"}),)
    assert [(bad.item, bad.reason) for bad in found.rejected] == [
        ("item 2", "not_an_item"),
        ("item 3", "no_pk"),
        ("item 4", "no_pk"),
        ("item 5", "unsafe_pk"),
        (PK, "duplicate_pk"),
    ]
    assert [bad.patient_id for bad in found.rejected if bad.reason == "duplicate_pk"] == [PK]
    assert all(bad.detail and bad.remedy for bad in found.rejected)
    assert "Quillfeather" not in repr(found)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "Quillfeather",
        '[{"pk": "Quillfeather"',
        '{"Item": {}}\n{"Item": {"biopsy": "Quillfeather',
        b"\xff\xfeQuillfeather\x00",
        b'["Quillfeather \xe4"]',
        "[" * 100_000,
        '{"pk": ' + '{"M": {"a": ' * 400 + "1" + "}}" * 400 + "}",
        "5",
        {"Items": "Quillfeather"},
        {"Items": [TYPED], "LastEvaluatedKey": {"pk": {"S": PK}}},
        {"Items": [TYPED], "NextToken": "abc"},
    ],
)
def test_a_file_without_items_is_an_error_and_not_an_empty_scan(scan: Scan, content: object) -> None:
    with pytest.raises(SourceError) as caught:
        scan(content)
    assert caught.value.subject == "sources.label_items"
    assert "Quillfeather" not in str(caught.value)


def test_no_items_is_an_empty_scan(scan: Scan) -> None:
    assert scan([]) == scan({"Items": []}) == ItemScan((), ())


def test_a_file_that_is_not_there_may_come_back(tmp_path: Path) -> None:
    for path in (tmp_path / "Quillfeather.json", tmp_path):
        with pytest.raises(SourceUnavailableError, match="cannot be read") as caught:
            JsonItems(path).scan()
        assert path.name not in str(caught.value)


def test_a_packed_file_that_grows_too_large_is_refused(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eus_etl.sources.label_items.json_file._MAX_BYTES", 1_000_000)
    monkeypatch.setattr("eus_etl.sources.label_items.json_file._BLOCK_BYTES", 65_536)
    with pytest.raises(SourceError, match="the gzip file holds more than"):
        scan(gzip.compress(b" " * 5_000_000))
