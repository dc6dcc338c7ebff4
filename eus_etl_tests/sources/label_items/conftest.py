"""A DynamoDB server, its table, and a scan of it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests

from benchmarks.support.servers.aws_server import REGION, aws_server, create_table, use_fake_credentials
from eus_etl.sources.label_items.base import ItemScan, LabelItemSource
from eus_etl.sources.label_items.dynamodb import DynamoItems
from eus_etl_tests.support.hospitals.dynamodb_table import RULES, TABLE, Put, Scan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(autouse=True)
def _fake_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_fake_credentials(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws_server() as address:
        yield address


@pytest.fixture
def client(endpoint: str) -> Iterator["DynamoDBClient"]:
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)
    with closing(boto3.client("dynamodb", region_name=REGION, endpoint_url=endpoint)) as made:
        create_table(made, TABLE)
        yield made


@pytest.fixture
def put(client: "DynamoDBClient") -> Put:
    def put_items(items: list[dict[str, Any]]) -> None:
        for start in range(0, len(items), 25):
            writes = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            client.batch_write_item(RequestItems={TABLE: writes})  # type: ignore[dict-item]  # items are JSON

    return put_items


@pytest.fixture
def scan(endpoint: str) -> Scan:
    def scan_it(
        table: str | None = TABLE,
        ssm_parameter: str | None = None,
        segments: int = 1,
        endpoint_url: str = endpoint,
        attempts: int = 1,
    ) -> ItemScan:
        source: LabelItemSource = DynamoItems(
            table, ssm_parameter, REGION, endpoint_url, segments, attempts, RULES
        )
        return source.scan()

    return scan_it
