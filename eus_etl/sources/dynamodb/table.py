"""One DynamoDB table, read whole: paged, in parallel segments, with AWS's errors turned into ours.

What a table's items mean is left to its readers: ``label_items.dynamodb`` and ``subject_ids``.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

import boto3
from botocore import exceptions as aws
from botocore.config import Config
from botocore.parsers import ResponseParserError

from eus_etl.errors import ConfigError, EusEtlError, SourceAccessError, SourceError, SourceUnavailableError
from eus_etl.sources.dynamodb.attribute_values import Raw

if TYPE_CHECKING:  # the stubs are installed for development only
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import ScanInputPaginateTypeDef

# at DEBUG it logs whole answers, free text and hashes included, and session tokens
logging.getLogger("botocore").setLevel(logging.INFO)

_T = TypeVar("_T")

_UNREACHABLE = (
    aws.ConnectionError,
    aws.HTTPClientError,
    aws.IncompleteReadError,
    aws.ResponseStreamingError,
)
_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.ProfileNotFound,
    aws.SSOError,
    aws.LoginError,
    aws.TokenRetrievalError,
)
_DENIED = {"AccessDeniedException", "AccessDenied"}
_NOT_ACCEPTED = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationTokenException",
    "ExpiredTokenException",
    "ExpiredToken",
}
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
}
_NOT_THERE = {"ResourceNotFoundException": "table", "ParameterNotFound": "SSM parameter"}
_CORRECT_NAMES = "correct `table` or `ssm_parameter` and what it holds, `region` and `endpoint_url`"
_AWS_PAGE = "see docs/aws.md"


class DynamoTable:
    """A table of DynamoDB, found by its name or by the SSM parameter that holds its name.

    Args:
        role: configuration key that errors name, for example ``sources.label_items``.
        table: the table's name; None if `ssm_parameter` gives it.
        ssm_parameter: name of the parameter, looked up at each scan: a redeployed stack renames its tables.
        region: AWS region of both.
        endpoint_url: a compatible server instead of AWS, for both table and parameter.
        segments: the table is scanned in this many parts at once.
        attempts: how often each request is tried, paced by the answers (botocore's adaptive mode).

    Raises:
        ConfigError: not exactly one of ``table`` and ``ssm_parameter`` is given.
    """

    def __init__(
        self,
        role: str,
        *,
        table: str | None,
        ssm_parameter: str | None,
        region: str,
        endpoint_url: str | None = None,
        segments: int = 1,
        attempts: int = 5,
    ) -> None:
        if (table is None) == (ssm_parameter is None):
            raise ConfigError(
                role,
                "no table is named" if table is None else "the table is named twice",
                "give either `table` or `ssm_parameter`",
            )
        self._role = role
        self._table = table
        self._ssm_parameter = ssm_parameter
        self._region = region
        self._endpoint_url = endpoint_url
        self._segments = segments
        self._config = Config(
            retries={"mode": "adaptive", "total_max_attempts": attempts},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=max(10, segments),
        )

    def scan(self, keep: Callable[[Mapping[str, Raw]], _T], projection: str | None = None) -> list[_T]:
        """What ``keep`` returns for each item, page by page; nothing else of a page is kept.

        Reads are consistent. An eventually consistent scan may return an older item than the scan before it,
        which would look like two edits and remake a visit's labels twice. A consistent
        scan costs twice the read units.

        Args:
            keep: called in as many threads as there are segments.
            projection: attributes to ask for, joined by commas; None asks for whole items.

        Returns:
            One result per item, segment after segment, in the table's order within each.

        Raises:
            SourceUnavailableError: AWS does not answer, or throttles; this is not an empty table.
            SourceError: credentials, rights, region or the table's name are wrong.
        """
        with self._opened() as (client, name), ThreadPoolExecutor(self._segments) as threads:
            parts = threads.map(
                lambda segment: [
                    keep(item) for item in self._items(client, name, projection, segment, self._segments)
                ],
                range(self._segments),
            )
            return [kept for part in parts for kept in part]

    def holds_items(self, projection: str | None = None) -> bool:
        """Whether the table holds any item: scans until the first one and keeps nothing.

        Args:
            projection: as for ``scan``.

        Raises:
            SourceUnavailableError, SourceError: as ``scan``; it needs the same rights.
        """
        with self._opened() as (client, name):
            return next(self._items(client, name, projection, 0, 1), None) is not None

    @contextmanager
    def _opened(self) -> Iterator[tuple["DynamoDBClient", str]]:
        """A client, and the table's name."""
        with self._errors_as_ours():
            session = boto3.session.Session()
            name = self._table if self._table is not None else self._name_in_ssm(session)
            with closing(
                session.client(
                    "dynamodb",
                    region_name=self._region,
                    endpoint_url=self._endpoint_url,
                    config=self._config,
                )
            ) as client:
                yield client, name

    def _name_in_ssm(self, session: boto3.session.Session) -> str:
        with closing(
            session.client(
                "ssm", region_name=self._region, endpoint_url=self._endpoint_url, config=self._config
            )
        ) as client:
            return client.get_parameter(Name=self._ssm_parameter or "")["Parameter"]["Value"]

    def _items(
        self, client: "DynamoDBClient", name: str, projection: str | None, segment: int, segments: int
    ) -> Iterator[Mapping[str, Raw]]:
        request: ScanInputPaginateTypeDef = {
            "TableName": name,
            "ConsistentRead": True,
            "Segment": segment,
            "TotalSegments": segments,
        }
        if projection is not None:
            # Select is given too, so that a policy can require it
            request |= {"ProjectionExpression": projection, "Select": "SPECIFIC_ATTRIBUTES"}
        try:
            for page in client.get_paginator("scan").paginate(**request):
                yield from cast(Iterable[Mapping[str, Raw]], page["Items"])
        except (KeyError, ResponseParserError):  # a network's login page instead of an answer
            raise SourceUnavailableError(
                self._role, "the answer is not DynamoDB's", "check the network and `endpoint_url`"
            ) from None

    @contextmanager
    def _errors_as_ours(self) -> Iterator[None]:
        """AWS's errors as ours, without the original: its message may name the person whose key was used."""
        try:
            yield
        except aws.ClientError as error:
            raise self._refused(error) from None
        except _UNREACHABLE as error:
            raise SourceUnavailableError(
                self._role,
                f"AWS cannot be reached ({type(error).__name__})",
                "check the network, `region` and `endpoint_url`",
            ) from None
        except _NO_CREDENTIALS as error:
            raise SourceAccessError(
                self._role,
                f"there are no usable AWS credentials ({type(error).__name__})",
                f"give the machine a role, or set AWS_PROFILE in its environment; {_AWS_PAGE}",
            ) from None
        except aws.BotoCoreError as error:
            raise SourceError(
                self._role,
                f"the request cannot be made ({type(error).__name__})",
                _CORRECT_NAMES,
            ) from None

    def _refused(self, error: aws.ClientError) -> EusEtlError:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        what = f"{error.operation_name} in {self._region}"
        if code in _THROTTLED or status >= 500:
            return SourceUnavailableError(
                self._role,
                f"AWS did not serve {what} ({code}); it is tried again",
                "if this persists, raise the table's read capacity",
            )
        if code in _DENIED or status == 403:  # AWS says 400 and the code, compatible servers 403
            return SourceAccessError(
                self._role,
                f"the credentials have no right to {what}",
                f"give their role the policy for this table and parameter; {_AWS_PAGE}",
            )
        if code in _NOT_ACCEPTED:
            return SourceAccessError(
                self._role,
                f"AWS does not accept the credentials ({code})",
                "renew them and check the machine's clock",
            )
        if code in _NOT_THERE:
            return SourceError(
                self._role, f"there is no such {_NOT_THERE[code]} in {self._region}", _CORRECT_NAMES
            )
        return SourceError(self._role, f"AWS refuses {what} ({code})", _CORRECT_NAMES)
