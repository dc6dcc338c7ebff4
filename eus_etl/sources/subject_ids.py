"""Which visits are of one person: subject ids, made in memory from the hash that identifies a patient.

The hash is an unsalted SHA-256 of a short record number, so it identifies the person. No other attribute is
read with it but the visit's id. It is never written, never logged, in no error, and held only until its keyed
HMAC is made.
"""

import hashlib
import hmac
from collections.abc import Mapping

from eus_etl.domain.paths import is_safe_id
from eus_etl.domain.patient_matching import canonical_id
from eus_etl.settings.secrets import secret_key
from eus_etl.sources.dynamodb.attribute_values import Raw, plain_attributes
from eus_etl.sources.dynamodb.table import DynamoTable

ROLE = "sources.subjects"
"""What errors about subject ids name."""


def subject_ids(table: DynamoTable, key_variable: str) -> Mapping[str, str]:
    """The person of each visit: patient ids to subject ids.

    A subject id is the HMAC-SHA256 (RFC 2104) of the visit's ``mrd_hash``, 64 hex digits. Visits without an
    ``mrd_hash`` are left out. The same key and person give the same id in every study.

    Args:
        table: ``patient_info``; only its ``pk`` and ``mrd_hash`` are asked for.
        key_variable: name of the environment variable that holds the key, at least 32 bytes.

    Raises:
        ConfigError: the variable is not set or its key is too short; nothing was read.
        SourceUnavailableError, SourceError: the table cannot be read; see ``DynamoTable.scan``.
    """
    key = subject_key(key_variable)

    def keyed(item: Mapping[str, Raw]) -> tuple[str, str] | None:
        match plain_attributes(item):
            case {"pk": str(pk), "mrd_hash": str(person)} if is_safe_id(pk) and person:
                return canonical_id(pk), hmac.new(key, person.encode(), hashlib.sha256).hexdigest()
        return None

    return dict(pair for pair in table.scan(keyed, projection="pk, mrd_hash") if pair is not None)


def subject_key(variable: str) -> bytes:
    """The secret key that the environment variable holds.

    Raises:
        ConfigError: the variable is not set or its key is too short.
    """
    return secret_key(variable, ROLE, "other subject ids")
