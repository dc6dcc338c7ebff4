"""DynamoDB over real HTTP: items of many pages and segments, what must not come out, and every refusal."""

import json
import logging
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import boto3
import pytest

from benchmarks.support.servers.aws_server import REGION
from eus_etl.domain.labels.item_values import MORPHOLOGY
from eus_etl.errors import ConfigError, SourceError
from eus_etl.sources.dynamodb.table import DynamoTable
from eus_etl.sources.label_items.base import ItemScan
from eus_etl.sources.label_items.json_file import JsonItems
from eus_etl_tests.support.hospitals.dynamodb_table import PARAMETER, RULES, TABLE, Put, Scan, visit_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def test_the_apps_items_read_as_from_an_export(put: Put, scan: Scan, shared: Path) -> None:
    sample = shared / "labels" / "labeller_items_sample.json"
    put(json.loads(sample.read_text())["eus"]["patient"])
    found = scan()
    expected = JsonItems(sample, "eus.patient", RULES).scan()
    assert {item.patient_id: item for item in found.items} == {
        item.patient_id: item for item in expected.items
    }
    assert found.rejected == ()
    assert "Adenocarcinoma" not in repr(found)


def test_values_of_every_type(put: Put, scan: Scan) -> None:
    values = {
        "cancer": {"BOOL": True},
        "morphology": {"L": [{"S": MORPHOLOGY[0]}, {"NULL": True}]},
        "morphology_presumed": {"SS": ["Cysts"]},
        "org": {"M": {"deep": {"N": "1.5"}}},
        "Start A 1": {"N": "12"},
        "Start A 2": {"NS": ["2"]},
        "Start A 3": {"B": b"\x00\xff"},
        "Start A 4": {"BS": [b"\x00"]},
        "Start A 5": {"NULL": True},
        "biopsy": {"S": "Frau Quillfeather"},
        "remarks": {"M": {"free": {"S": "Quillfeather"}}},
    }
    put([visit_item(1) | values])
    (item,) = scan().items
    assert item.pseudo_name == "Coming-Ola-1"
    assert item.attributes == {
        "pseudo_name": "Coming-Ola-1",
        "Start FNA 1": "00:01:40",
        "cancer": True,
        "morphology": ["Normal"],
        "morphology_presumed": ["Cysts"],
        "org": "?",
        "Start A 1": "?",
        "Start A 2": "?",
        "Start A 3": "?",
        "Start A 4": "?",
        "Start A 5": None,
    }


@pytest.mark.parametrize("segments", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_all_pages_of_all_segments(
    put: Put, scan: Scan, segments: int, caplog: pytest.LogCaptureFixture
) -> None:
    # 2,000 items of 3 KB are 6 pages of at most 1 MB
    free_text = {"biopsy": {"S": "Quillfeather " * 230}}
    put([visit_item(number) | free_text for number in range(2_000)])
    with caplog.at_level(logging.DEBUG, logger="botocore.endpoint"):
        found = scan(segments=segments)
    assert sum("Making request" in record.message for record in caplog.records) > 5
    assert {item.patient_id for item in found.items} == {str(UUID(int=n)) for n in range(2_000)}
    assert len(found.items) == 2_000
    assert {name for item in found.items for name in item.attributes} == {"pseudo_name", "Start FNA 1"}
    assert "Quillfeather" not in repr(found)


def test_items_that_cannot_be_taken_hide_no_others(put: Put, scan: Scan) -> None:
    put([visit_item(1), {"pk": {"S": "Frau Quillfeather"}, "Start FNA 1": {"S": "00:01:40"}}])
    found = scan()
    assert [item.patient_id for item in found.items] == [str(UUID(int=1))]
    assert [bad.reason for bad in found.rejected] == ["unsafe_pk"]
    assert "Quillfeather" not in repr(found)


def test_two_items_of_one_visit_in_a_table_with_a_sort_key(
    client: "DynamoDBClient", scan: Scan, endpoint: str
) -> None:
    client.create_table(
        TableName="sorted",
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for sort_key in "ab":
        client.put_item(TableName="sorted", Item=visit_item(1) | {"sk": {"S": sort_key}})
    found = scan("sorted")
    assert len(found.items) == 1
    assert [(bad.item, bad.reason) for bad in found.rejected] == [(str(UUID(int=1)), "duplicate_pk")]


def test_an_empty_table_is_an_empty_scan(client: "DynamoDBClient", scan: Scan) -> None:
    assert scan() == ItemScan((), ())


def test_the_table_named_by_an_ssm_parameter(put: Put, scan: Scan, endpoint: str) -> None:
    put([visit_item(1)])
    with closing(boto3.client("ssm", region_name=REGION, endpoint_url=endpoint)) as ssm:
        ssm.put_parameter(Name=PARAMETER, Value=TABLE, Type="String")
    assert len(scan(table=None, ssm_parameter=PARAMETER).items) == 1


@pytest.mark.parametrize(
    ("table", "ssm_parameter", "cause"),
    [
        ("no-such-table", None, "no such table in ap-south-1"),
        (None, "/no/such/parameter", "no such SSM parameter in ap-south-1"),
        ("", None, "cannot be made"),
    ],
)
def test_names_that_name_nothing(
    client: "DynamoDBClient", scan: Scan, table: str | None, ssm_parameter: str | None, cause: str
) -> None:
    with pytest.raises(SourceError, match=cause) as caught:
        scan(table, ssm_parameter)
    assert caught.value.subject == "sources.label_items"
    assert "ssm_parameter" in caught.value.remedy


@pytest.mark.parametrize(("table", "ssm_parameter"), [(None, None), (TABLE, PARAMETER)])
def test_one_name_and_not_two(table: str | None, ssm_parameter: str | None) -> None:
    with pytest.raises(ConfigError, match="either `table` or `ssm_parameter`"):
        DynamoTable("sources.label_items", table=table, ssm_parameter=ssm_parameter, region=REGION)
