"""Credentials, and whether the sources can be read with them: videos, label items, patient rows, subject ids.

Videos are listed on a copy of the inventory, which is thrown away; of a table of items one page is read and
dropped.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError

from eus_etl.commands.doctor.finding import Finding, of_error, ok, problem, warning
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import EusEtlError
from eus_etl.settings import (
    DynamoSource,
    GoogleDriveSource,
    GoogleSheetSource,
    LocalFolderSource,
    StudyConfig,
    SubjectsSource,
)
from eus_etl.sources.dynamodb.table import DynamoTable
from eus_etl.sources.subject_ids import ROLE as SUBJECTS
from eus_etl.sources.subject_ids import subject_key
from eus_etl.sources.videos.base import Listing
from eus_etl.sources.videos.google_drive.connection import read_credentials
from eus_etl.steps.observation.connect import connect

VIDEOS, ITEMS, ROWS = "sources.videos", "sources.label_items", "sources.patient_rows"

_MADE_ANEW = "run `eus-etl sync` twice: the first removes the damaged file, the second lists the drive again"
_GOOGLE = "https://www.googleapis.com/"


def examine_credentials(study: StudyConfig) -> Iterator[Finding]:
    """Find the credentials that the sources need, and whose they are, without using them."""
    sources = study.sources
    for role, google in ((VIDEOS, sources.videos), (ROWS, sources.patient_rows)):
        if isinstance(google, GoogleDriveSource | GoogleSheetSource):
            yield _google_credentials(f"credentials of {role}", google.credentials_file, google.impersonate)
    if isinstance(sources.label_items, DynamoSource) or sources.subjects:
        yield _aws_credentials()
    if sources.subjects:
        yield _subject_key(sources.subjects.key_variable)


def servers(study: StudyConfig) -> dict[str, str]:
    """The sources' servers: address to name."""
    sources = study.sources
    found = {
        source.api_root or _GOOGLE: "Google"
        for source in (sources.videos, sources.patient_rows)
        if isinstance(source, GoogleDriveSource | GoogleSheetSource)
    }
    for source in (sources.label_items, sources.subjects):
        if isinstance(source, DynamoSource | SubjectsSource):
            found[source.endpoint_url or f"https://dynamodb.{source.region}.amazonaws.com/"] = "AWS"
    return found


def examine_videos(study: StudyConfig) -> tuple[Finding, list[int] | None]:
    """List the videos.

    Returns:
        What was found, and the sizes in bytes of the files to be fetched; None where they cannot be listed.
    """
    try:
        with _shadow_of(study) as shadow:
            # 0 s: new files of a local folder are not hashed, which would read them whole
            limit_s = 0.0 if isinstance(study.sources.videos, LocalFolderSource) else None
            listing = connect(shadow, listing_limit_s=limit_s).videos().list_files()
    except EusEtlError as error:
        return of_error(VIDEOS, error), None
    except sqlite3.DatabaseError:
        return problem(VIDEOS, "the inventory of the drive cannot be read", _MADE_ANEW), None
    sizes = _sizes(study, listing)
    # files without a checksum yet are among the waiting ones
    wait = len(listing.files) + len(listing.waiting) - len(sizes)
    found = f"{len(sizes)} files to take, {wait} waiting, {len(listing.left_out)} left out"
    if not sizes:
        return warning(VIDEOS, found, "if videos have been uploaded, name another folder"), sizes
    return ok(VIDEOS, found), sizes


def examine_tables(study: StudyConfig) -> Iterator[Finding]:
    """Check label items, patient rows and the table of subject ids."""
    yield _answer(ITEMS, lambda: _label_items(study))
    yield _answer(ROWS, lambda: _patient_rows(study))
    if config := study.sources.subjects:
        table = _table(SUBJECTS, config)
        yield _answer(SUBJECTS, lambda: _holds(SUBJECTS, table.holds_items("pk, mrd_hash")))


def _answer(check: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except EusEtlError as error:
        return of_error(check, error)


def _google_credentials(check: str, key_file: Path | None, impersonate: str | None) -> Finding:
    try:
        credentials = read_credentials(key_file, check, impersonate)
    except EusEtlError as error:
        return problem(check, error.cause, error.remedy)
    address = getattr(credentials, "service_account_email", None)
    # on a Google machine the address is unknown before the first request
    whose = (
        address
        if isinstance(address, str) and "@" in address
        else "an account whose address is not known here"
    )
    if key_file is None:
        return ok(check, f"application default credentials of {whose}")
    if key_file.stat().st_mode & 0o077:
        return warning(check, f"others on this machine may read the key file of {whose}", "`chmod 600` it")
    return ok(check, f"a key file of {whose}")


def _aws_credentials() -> Finding:
    check, remedy = "credentials of AWS", "give the machine a role, or set AWS_PROFILE; see docs/aws.md"
    try:
        credentials = boto3.session.Session().get_credentials()
    except BotoCoreError as error:  # its message may name a person's profile
        return problem(check, f"they cannot be read ({type(error).__name__})", remedy)
    if credentials is None:
        return problem(check, "there are none", remedy)
    return ok(check, f"found by {credentials.method}")


def _subject_key(variable: str) -> Finding:
    check = "key of subject ids"
    try:
        subject_key(variable)
    except EusEtlError as error:
        return problem(check, error.cause, error.remedy)
    return ok(check, f"{variable} is set")


@contextmanager
def _shadow_of(study: StudyConfig) -> Iterator[StudyConfig]:
    """The study with a scratch root that holds a copy of the inventory of videos."""
    with tempfile.TemporaryDirectory(prefix="eus_etl_doctor_") as folder:
        shadow = study.model_copy(update={"root": Path(folder)})
        known, copies = StudyPaths(study.root).inventory, StudyPaths(shadow.root).inventory
        copies.mkdir(parents=True)
        for file in known.glob("*.json"):
            shutil.copyfile(file, copies / file.name)
        for file in known.glob("*.sqlite"):
            with (
                closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(copies / file.name)) as copy,
            ):
                source.backup(copy)  # whole, even while a daemon writes
        yield shadow


def _sizes(study: StudyConfig, listing: Listing) -> list[int]:
    sizes = [file.size for file in listing.files]
    videos = study.sources.videos
    if isinstance(videos, LocalFolderSource):
        for file in listing.waiting:
            if file.reason == "not_hashed_yet":
                with suppress(FileNotFoundError):  # removed meanwhile
                    sizes.append(videos.path.joinpath(*file.parts).stat().st_size)
    return sizes


_IF_NOT_NEW = "if the study is not new, correct its configuration"


def _label_items(study: StudyConfig) -> Finding:
    config = study.sources.label_items
    if isinstance(config, DynamoSource):
        return _holds(ITEMS, _table(ITEMS, config).holds_items())
    scan = connect(study).label_items().scan()
    found = f"{len(scan.items)} items, {len(scan.rejected)} unusable"
    if scan.rejected:
        return warning(ITEMS, found, "run once; rejected.csv then says why")
    return ok(ITEMS, found) if scan.items else warning(ITEMS, found, _IF_NOT_NEW)


def _table(role: str, config: DynamoSource | SubjectsSource) -> DynamoTable:
    return DynamoTable(
        role,
        table=config.table,
        ssm_parameter=config.ssm_parameter,
        region=config.region,
        endpoint_url=config.endpoint_url,
        attempts=2,
    )


def _holds(check: str, items: bool) -> Finding:
    if items:
        return ok(check, "the table answers and holds items")
    return warning(check, "the table answers but is empty", _IF_NOT_NEW)


def _patient_rows(study: StudyConfig) -> Finding:
    scan = connect(study).patient_rows().read()
    found = f"{len(scan.rows)} rows, with all {len(study.patients.columns) + 1} configured columns"
    if not scan.rows:
        return warning(ROWS, found, "if the study is not new, correct the range or file")
    return ok(ROWS, found)
