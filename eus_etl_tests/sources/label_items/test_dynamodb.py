"""DynamoDB over real HTTP: items of many pages and segments, what must not come out, and every refusal."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import UUID

import boto3
import pytest
import requests

from benchmarks.support.places import DOCS
from benchmarks.support.servers.aws_server import REGION, aws_server, create_table, use_fake_credentials
from eus_etl.domain.labels.item_values import MORPHOLOGY, ItemRules
from eus_etl.errors import ConfigError, SourceAccessError, SourceError, SourceUnavailableError
from eus_etl.sources.dynamodb.table import DynamoTable
from eus_etl.sources.label_items.base import ItemScan, LabelItemSource
from eus_etl.sources.label_items.dynamodb import DynamoItems
from eus_etl.sources.label_items.json_file import JsonItems

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "EusmlLabeller88d9Production-PatientTable-1ABC"
PARAMETER = "/EusmlLabeller88d9Production/tables/patient"
POLICIES = DOCS / "aws.md"

Scan = Callable[..., ItemScan]
Put = Callable[[list[dict[str, Any]]], None]


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


RULES = ItemRules(frozenset({"fna", "a"}))


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


def _visit(number: int) -> dict[str, Any]:
    return {
        "pk": {"S": str(UUID(int=number))},
        "pseudo_name": {"S": f"Coming-Ola-{number}"},
        "Start FNA 1": {"S": "00:01:40"},
    }


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
    put([_visit(1) | values])
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


@pytest.mark.parametrize("segments", [1, 4])
def test_all_pages_of_all_segments(
    put: Put, scan: Scan, segments: int, caplog: pytest.LogCaptureFixture
) -> None:
    # 2,000 items of 3 KB are 6 pages of at most 1 MB
    free_text = {"biopsy": {"S": "Quillfeather " * 230}}
    put([_visit(number) | free_text for number in range(2_000)])
    with caplog.at_level(logging.DEBUG, logger="botocore.endpoint"):
        found = scan(segments=segments)
    assert sum("Making request" in record.message for record in caplog.records) > 5
    assert {item.patient_id for item in found.items} == {str(UUID(int=n)) for n in range(2_000)}
    assert len(found.items) == 2_000
    assert {name for item in found.items for name in item.attributes} == {"pseudo_name", "Start FNA 1"}
    assert "Quillfeather" not in repr(found)


def test_items_that_cannot_be_taken_hide_no_others(put: Put, scan: Scan) -> None:
    put([_visit(1), {"pk": {"S": "Frau Quillfeather"}, "Start FNA 1": {"S": "00:01:40"}}])
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
        client.put_item(TableName="sorted", Item=_visit(1) | {"sk": {"S": sort_key}})
    found = scan("sorted")
    assert len(found.items) == 1
    assert [(bad.item, bad.reason) for bad in found.rejected] == [(str(UUID(int=1)), "duplicate_pk")]


def test_an_empty_table_is_an_empty_scan(client: "DynamoDBClient", scan: Scan) -> None:
    assert scan() == ItemScan((), ())


def test_the_table_named_by_an_ssm_parameter(put: Put, scan: Scan, endpoint: str) -> None:
    put([_visit(1)])
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


def test_no_credentials(client: "DynamoDBClient", scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SourceAccessError, match="no usable AWS credentials"):
        scan()
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SourceAccessError, match="no usable AWS credentials"):
        scan()


def _policies() -> list[dict[str, Any]]:
    found = re.findall(r"<!-- policy: [a-z ]+ -->\n```json\n(.*?)```", POLICIES.read_text(), re.DOTALL)
    return [json.loads(policy) for policy in found]


def test_the_documented_policies_give_nothing_away() -> None:
    items, subjects = _policies()
    for statement in (*items["Statement"], *subjects["Statement"]):
        assert statement["Action"] in ("dynamodb:Scan", "ssm:GetParameter")
        assert re.fullmatch(r"arn:aws:(dynamodb|ssm):ap-south-1:[0-9]{12}:.+", statement["Resource"])
    (hashes,) = [s for s in subjects["Statement"] if s["Action"] == "dynamodb:Scan"]
    assert hashes["Condition"]["ForAllValues:StringEquals"] == {"dynamodb:Attributes": ["pk", "mrd_hash"]}
    assert hashes["Condition"]["StringEquals"] == {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}


def test_the_documented_actions_suffice_and_without_them_access_is_denied(
    put: Put, scan: Scan, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put([_visit(1)])
    with (
        closing(boto3.client("ssm", region_name=REGION, endpoint_url=endpoint)) as ssm,
        closing(boto3.client("iam", region_name=REGION, endpoint_url=endpoint)) as iam,
    ):
        ssm.put_parameter(Name=PARAMETER, Value=TABLE, Type="String")
        iam.create_user(UserName="quillfeather")
        key = iam.create_access_key(UserName="quillfeather")["AccessKey"]
        # the server checks actions, not resources: those of the policy are checked above
        actions = [statement["Action"] for statement in _policies()[0]["Statement"]]
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}],
        }
        requests.post(f"{endpoint}/moto-api/reset-auth", data=b"1", timeout=10)
        try:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
            # the one request that goes through unchecked
            iam.put_user_policy(
                UserName="quillfeather", PolicyName="pipeline", PolicyDocument=json.dumps(policy)
            )
            assert len(scan(table=None, ssm_parameter=PARAMETER).items) == 1
            requests.post(f"{endpoint}/moto-api/reset-auth", data=b"1", timeout=10)
            iam.delete_user_policy(UserName="quillfeather", PolicyName="pipeline")
            with pytest.raises(SourceAccessError, match="no right to Scan in ap-south-1") as caught:
                scan()
            assert "quillfeather" not in f"{caught.value!r}"
            assert caught.value.__cause__ is None
        finally:
            requests.post(f"{endpoint}/moto-api/reset-auth", data=b"inf", timeout=10)


@pytest.fixture
def failing() -> Iterator[Callable[[int, int, str], str]]:
    """A server that answers the first requests with an error, as AWS words it, and then with no items."""
    errors: list[tuple[int, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, code = errors.pop() if errors else (200, "")
            kind = f"com.amazonaws.dynamodb.v20120810#{code}"
            error = {"__type": kind, "message": "of quillfeather"}
            answer = {"Items": [], "Count": 0, "ScannedCount": 0} if status == 200 else error
            body = b"<html>Log in</html>" if code == "html" else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named so by http.server
            """Keep the tests' output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()

        def with_errors(times: int, status: int, code: str) -> str:
            errors[:] = [(status, code)] * times
            return f"http://127.0.0.1:{listening.server_address[1]}"

        yield with_errors
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ProvisionedThroughputExceededException", SourceUnavailableError),
        (400, "ThrottlingException", SourceUnavailableError),
        (500, "InternalServerError", SourceUnavailableError),
        (503, "ServiceUnavailable", SourceUnavailableError),
        (200, "html", SourceUnavailableError),
        (400, "ExpiredTokenException", SourceAccessError),
        (400, "UnrecognizedClientException", SourceAccessError),
        (400, "AccessDeniedException", SourceAccessError),
        (400, "ValidationException", SourceError),
    ],
)
def test_every_refusal_has_its_kind(
    scan: Scan, failing: Callable[[int, int, str], str], status: int, code: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        scan(endpoint_url=failing(9, status, code), segments=2)
    assert type(caught.value) is kind
    assert "quillfeather" not in str(caught.value)


def test_a_failure_that_passes_is_tried_again(scan: Scan, failing: Callable[[int, int, str], str]) -> None:
    endpoint_url = failing(1, 500, "InternalServerError")
    assert scan(endpoint_url=endpoint_url, attempts=2) == ItemScan((), ())


def test_a_server_that_is_not_there(scan: Scan) -> None:
    with pytest.raises(SourceUnavailableError, match="cannot be reached"):
        scan(endpoint_url="http://127.0.0.1:9")  # the discard port: nothing listens there
