"""Subject ids over real HTTP: the same person, the same id, and no hash of a person anywhere."""

import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest

from benchmarks.support.servers.aws_server import REGION, aws_server, create_table, use_fake_credentials
from eus_etl.errors import ConfigError, SourceError
from eus_etl.sources.dynamodb.table import DynamoTable
from eus_etl.sources.subject_ids import ROLE, subject_ids

KEY_VARIABLE = "EUS_ETL_TEST_SUBJECT_KEY"
KEY = "0123456789abcdef" * 4
ONCE, AGAIN, OTHER, NOBODY = (f"ba3f892a-9844-4be9-81b7-8c9f08d6b97{n}" for n in range(4))
HASH, OTHER_HASH = "261a5d290e06" * 5, "e073284aa808" * 5


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_fake_credentials(monkeypatch, tmp_path)
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws_server() as address:
        yield address


@pytest.fixture
def table(endpoint: str, request: pytest.FixtureRequest) -> DynamoTable:
    """Two visits of one person, one of another, one without a hash and one that is no visit."""
    name = request.node.name
    rows: list[dict[str, Any]] = [
        {"pk": {"S": ONCE}, "mrd_hash": {"S": HASH}, "name": {"S": "Frau Quillfeather"}},
        {"pk": {"S": AGAIN}, "mrd_hash": {"S": HASH}, "doctor": {"S": "Dr. Morgenthaler"}},
        {"pk": {"S": OTHER}, "mrd_hash": {"S": OTHER_HASH}},
        {"pk": {"S": NOBODY}, "name": {"S": "Quillfeather"}},
        {"pk": {"S": "Frau Quillfeather"}, "mrd_hash": {"S": HASH}},
    ]
    with closing(boto3.client("dynamodb", region_name=REGION, endpoint_url=endpoint)) as client:
        create_table(client, name)
        for row in rows:
            client.put_item(TableName=name, Item=row)
    return _table(name, endpoint)


def _table(name: str, endpoint: str) -> DynamoTable:
    return DynamoTable(ROLE, table=name, ssm_parameter=None, region=REGION, endpoint_url=endpoint, attempts=1)


def _keyed(key: str, person: str) -> str:
    return hmac.new(key.encode(), person.encode(), hashlib.sha256).hexdigest()


def test_one_person_one_id(
    table: DynamoTable, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.DEBUG):
        found = subject_ids(table, KEY_VARIABLE)
    assert found == {ONCE: _keyed(KEY, HASH), AGAIN: _keyed(KEY, HASH), OTHER: _keyed(KEY, OTHER_HASH)}
    for secret in (HASH, OTHER_HASH, KEY, "Quillfeather", "Morgenthaler"):
        assert secret not in repr(found) + caplog.text
    monkeypatch.setenv(KEY_VARIABLE, KEY[::-1])
    assert set(subject_ids(table, KEY_VARIABLE).values()).isdisjoint(found.values())


def test_only_two_attributes_are_asked_for(table: DynamoTable) -> None:
    asked = table.scan(dict, projection="pk, mrd_hash")
    assert len(asked) == 5
    assert {name for item in asked for name in item} == {"pk", "mrd_hash"}


def test_the_apps_patient_info(endpoint: str, shared: Path) -> None:
    rows = json.loads((shared / "labels" / "labeller_items_sample.json").read_text())["eus"]["patient_info"]
    with closing(boto3.client("dynamodb", region_name=REGION, endpoint_url=endpoint)) as client:
        create_table(client, "patient_info")
        for row in rows:
            client.put_item(TableName="patient_info", Item=row)
    found = subject_ids(_table("patient_info", endpoint), KEY_VARIABLE)
    assert found == {row["pk"]["S"]: _keyed(KEY, row["mrd_hash"]["S"]) for row in rows}


@pytest.mark.parametrize("key", [None, "", "too short"])
def test_without_a_key_nothing_is_read(
    endpoint: str, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE)
    if key is not None:
        monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(ConfigError, match=KEY_VARIABLE) as caught:
        subject_ids(_table("no-such-table", endpoint), KEY_VARIABLE)
    assert "openssl rand" in caught.value.remedy
    assert "too short" not in str(caught.value)


def test_errors_name_the_configuration_key(endpoint: str) -> None:
    with pytest.raises(SourceError, match="no such table") as caught:
        subject_ids(_table("no-such-table", endpoint), KEY_VARIABLE)
    assert caught.value.subject == "sources.subjects"
