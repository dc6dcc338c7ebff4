"""What releases and hand-written files keep of other visits stays; what leads to the forgotten one goes."""

import json
from pathlib import Path

import polars as pl
import pytest

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO
from eus_etl.commands.forget.names import Names
from eus_etl.commands.forget.releases import releases_with, remove_from_records
from eus_etl.commands.forget.rows import remove_rows
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import KEPT_FRAMES, SPLITS
from eus_etl.errors import ConfigError
from eus_etl.steps.release.records import FRAMES, PLACED, PUBLISHED, RECORD, read_ledger, recover
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.tables.csv_cells import without_rows
from eus_etl.storage.tables.table_files import write_csv, write_parquet

RELEASE = "r0123456789abcdef"
NAMES = Names(TWO, ALIAS_TWO, "^{key}")


@pytest.fixture
def paths(tmp_path: Path) -> StudyPaths:
    """A study with one release of two visits."""
    paths = StudyPaths(tmp_path)
    placed = SPLITS.frame(
        {"subject_id": f"s{visit}", "patient_id": visit, "split": "train", "fold": 0, "since": RELEASE}
        for visit in (ONE, TWO)
    )
    record = paths.release_record(RELEASE)
    write_parquet(placed, record / PLACED)
    write_parquet(
        KEPT_FRAMES.frame({"frame_id": f"f{v}", "patient_id": v} for v in (ONE, TWO)), record / FRAMES
    )
    write_atomically(record / RECORD, json.dumps({"selection": {"exclude_visits": [TWO]}}).encode())
    write_atomically(record / PUBLISHED, b"")
    write_csv(placed, paths.table("splits"))
    (paths.leak_sheets(RELEASE)).mkdir(parents=True)
    (paths.leak_sheets(RELEASE) / "leaks.csv").write_text(f"frame_id\n{TWO}/v/1\n")
    return paths


def test_nothing_leads_from_a_release_back_to_the_visit(paths: StudyPaths) -> None:
    assert releases_with(paths, TWO) == [RELEASE]
    removed = remove_rows(paths, NAMES)
    remove_from_records(paths, TWO)
    assert removed["master-dataset/Data/splits.csv"] == 1
    assert releases_with(paths, TWO) == []
    assert releases_with(paths, ONE) == [RELEASE]
    recover(paths)  # it appends to the ledger what records say
    assert read_ledger(paths)["patient_id"].to_list() == [ONE]
    for path in paths.root.rglob("*"):
        assert not path.is_file() or TWO.encode() not in path.read_bytes()
        if path.suffix == ".parquet":
            assert TWO not in pl.read_parquet(path).write_json()
    assert not paths.leak_sheets(RELEASE).exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("begin", ["", "sep=;\r\n"])
def test_other_rows_of_a_written_file_stay_as_they_are(encoding: str, begin: str) -> None:
    kept = f'{begin}patient_id;by\r\n"{ONE}";"a\r\n b"\r\n', "x;y"
    own = f'{ALIAS_TWO.lower()};"c\r\n;d"\r\n'
    left = without_rows(f"{kept[0]}{own}{kept[1]}".encode(encoding), ["patient_id", "by"], NAMES.has_row)
    assert left.decode(encoding) == "".join(kept)
    same = "".join(kept).encode(encoding)
    assert without_rows(same, ["patient_id", "by"], NAMES.has_row) == same


def test_a_written_file_that_cannot_be_read_is_named(paths: StudyPaths) -> None:
    paths.sync_csv.write_bytes(b'patient_id,by\n"never closed')
    with pytest.raises(ConfigError, match=r"sync\.csv: .* then call again"):
        remove_rows(paths, NAMES)
