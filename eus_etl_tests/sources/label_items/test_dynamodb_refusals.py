"""DynamoDB refuses: what each refusal means, and which rights suffice."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests

from benchmarks.support.places import DOCS
from benchmarks.support.servers.aws_server import REGION
from eus_etl.errors import SourceAccessError, SourceError, SourceUnavailableError
from eus_etl.sources.label_items.base import ItemScan
from eus_etl_tests.support.hospitals.dynamodb_table import PARAMETER, TABLE, Put, Scan, visit_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


POLICIES = DOCS / "aws.md"


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
    put([visit_item(1)])
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
