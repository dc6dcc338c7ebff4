"""What an upload or an item says, and nothing that is made or told may repeat."""

from pathlib import Path

from benchmarks.support.hospitals.real_hospital import (
    NAME,
    RealHospital,
)
from eus_etl_tests.end_to_end.test_leaks import database_texts, text_of
from eus_etl_tests.support.uploads import MAY_NAME_UPLOADS


def assert_nothing_leaked(hospital: RealHospital, said: str) -> None:
    """Names stand where uploads are listed and nowhere else; secrets stand nowhere."""
    secrets, root = hospital.running.secrets, hospital.tiny.paths.root
    home = [file for file in hospital.tiny.home.rglob("*") if file.is_file()]
    spoken = [said, *(text for file in home for text in texts_of(file))]
    assert not [planted for planted in [NAME, *secrets] for text in spoken if planted in text]
    named = set()
    for file in root.rglob("*"):
        place = file.relative_to(root).as_posix()
        text = place + "".join(texts_of(file) if file.is_file() else [])
        assert not [secret for secret in secrets if secret in text], place
        if NAME in text:
            named.add(place)
    assert not {place for place in named if not place.startswith(MAY_NAME_UPLOADS)}
    assert "master-dataset/Data/videos.csv" in named  # the search does find what is there


def texts_of(file: Path) -> list[str]:
    """What a file says; of a database every value as well."""
    is_database = file.suffix in (".db", ".sqlite")
    return [text_of(file), *(database_texts(file) if is_database else [])]
