"""What was made is never taken for nothing: missing, cut or unreadable, it is an error and is made again."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LABELS
from eus_etl.errors import OutputLostError
from eus_etl.storage.outputs import describe
from eus_etl.storage.provenance import Entry, read_page, write_entry
from eus_etl.storage.tables.parts import load_part, remembered_part, write_part
from eus_etl.storage.vouched import one_look, vouched_files

ONE, TWO = "p1", "p2"
ROWS = LABELS.frame(
    [{"patient_id": ONE, "family": "station", "label": "Station 1", "occurrence": 1, "status": "ok"}]
)


@pytest.fixture
def paths(tmp_path: Path) -> StudyPaths:
    """Two visits whose labels are made."""
    paths = StudyPaths(tmp_path)
    for patient in (ONE, TWO):
        write_part(paths, LABELS, patient, ROWS)
        outputs = describe(paths, [paths.part("labels", patient)])
        entry = Entry(
            inputs={}, configuration="", version="", made_by="", settled_by="", checks={}, outputs=outputs
        )
        write_entry(paths, patient, "labels", entry)
    return paths


def test_what_was_never_made_is_empty(paths: StudyPaths) -> None:
    assert load_part(paths, LABELS, "p3").is_empty()
    assert load_part(paths, LABELS, ONE).height == 1
    assert [paths.root / file.path for file in vouched_files(paths, paths.parts("labels"))] == [
        paths.part("labels", patient) for patient in (ONE, TWO)
    ]


def test_the_tables_of_a_run_see_the_same_files_until_one_fails(paths: StudyPaths) -> None:
    folder = paths.parts("labels")

    def seen(run_id: str) -> list[str]:
        with one_look(run_id):
            return [Path(file.path).stem for file in vouched_files(paths, folder)]

    assert seen("first") == [ONE, TWO]
    (folder / "p3.parquet").write_bytes(paths.part("labels", ONE).read_bytes())
    assert seen("first") == [ONE, TWO]
    assert seen("second") == [ONE, TWO, "p3"]
    paths.part("labels", ONE).unlink()
    assert seen("second") == [ONE, TWO, "p3"]
    with pytest.raises(OutputLostError), one_look("second"):
        load_part(paths, LABELS, ONE)
    with pytest.raises(OutputLostError):
        seen("second")


def test_a_part_that_was_made_and_is_missing_is_an_error(paths: StudyPaths) -> None:
    paths.part("labels", ONE).unlink()
    with pytest.raises(OutputLostError, match=r"labels/p1.parquet.*missing"):
        load_part(paths, LABELS, ONE)
    with pytest.raises(OutputLostError, match=r"labels/p1.parquet.*missing"):
        vouched_files(paths, paths.parts("labels"))
    # a step is not kept from making its own part again
    assert remembered_part(paths, LABELS, ONE).is_empty()


@pytest.mark.parametrize("damage", [lambda file: os.truncate(file, 40), lambda file: os.truncate(file, 0)])
def test_a_part_that_cannot_be_read_is_an_error_and_counts_as_missing(
    paths: StudyPaths, damage: Callable[[Path], object]
) -> None:
    part = paths.part("labels", ONE)
    damage(part)
    with pytest.raises(OutputLostError, match=r"labels/p1.parquet.*cannot be read"):
        load_part(paths, LABELS, ONE)
    assert not part.exists()


def test_a_page_that_cannot_be_read_vouches_for_what_nobody_knows(paths: StudyPaths) -> None:
    page = paths.ledger(ONE)
    os.truncate(page, 20)
    paths.part("labels", ONE).unlink()
    assert read_page(paths, ONE) == {}
    with pytest.raises(OutputLostError, match=r"p1.json.*cannot be read"):
        load_part(paths, LABELS, ONE)
    with pytest.raises(OutputLostError, match=r"p1.json.*cannot be read"):
        vouched_files(paths, paths.parts("labels"))


def test_a_page_of_before_outputs_were_noted_vouches_for_nothing(paths: StudyPaths) -> None:
    paths.ledger(ONE).write_text(json.dumps({"labels": {"consumed": "", "version": "", "at": 0.0}}))
    paths.part("labels", ONE).unlink()
    assert read_page(paths, ONE) == {}
    assert load_part(paths, LABELS, ONE).is_empty()


def test_every_flip_of_a_part_is_read_as_a_table_or_named(paths: StudyPaths) -> None:
    part = paths.part("labels", ONE)
    whole = part.read_bytes()
    for place in range(0, len(whole), 29):
        flipped = bytearray(whole)
        flipped[place] ^= 0x40
        part.write_bytes(flipped)
        try:
            found = load_part(paths, LABELS, ONE)
        except OutputLostError:
            continue
        assert isinstance(found, pl.DataFrame)
