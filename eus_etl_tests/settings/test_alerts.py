"""``alerts.yaml``: what is wrong is said, and what the docs show is right."""

import re
from pathlib import Path

import pytest
import yaml

from benchmarks.support.places import DOCS
from eus_etl.domain.alerts.message import TITLES
from eus_etl.errors import ConfigError
from eus_etl.settings import load_alerts, shipped, study_files

SMTP = {"host": "mail.example", "sender": "a@b", "recipients": ["c@d"]}


def load(folder: Path, **keys: object) -> Path:
    path = folder / "alerts.yaml"
    path.write_text(yaml.safe_dump({"record": "told.json", **keys}))
    return load_alerts(path).record


def test_the_shipped_file_is_right_and_tells_nobody() -> None:
    config = load_alerts(shipped("configs") / "alerts.yaml")
    assert (config.smtp, config.webhook) == (None, None)
    assert shipped("configs") / "alerts.yaml" not in study_files(shipped("configs"))


def test_the_shipped_channels_are_right(tmp_path: Path) -> None:
    text = (shipped("configs") / "alerts.yaml").read_text()
    (tmp_path / "alerts.yaml").write_text(re.sub(r"^# (?=smtp|webhook|  )", "", text, flags=re.MULTILINE))
    config = load_alerts(tmp_path / "alerts.yaml")
    assert config.smtp
    assert config.webhook


def test_the_docs_example_is_right(tmp_path: Path) -> None:
    text = (DOCS / "alerts.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "alerts.yaml").write_text(re.sub("^   ", "", example, flags=re.MULTILINE))
    assert load_alerts(tmp_path / "alerts.yaml").webhook
    for kind in TITLES:
        assert f"`{kind}`" in text


def test_its_paths_start_at_its_folder(tmp_path: Path) -> None:
    assert load(tmp_path) == tmp_path / "told.json"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"mail": "a@b"}, "mail: Extra inputs are not permitted"),
        ({"smtp": SMTP | {"recipients": []}}, "smtp.recipients: Tuple should have at least 1 item"),
        ({"smtp": SMTP | {"sender": "a@b>\nBcc: x@y"}}, "smtp.sender: String should match pattern"),
        ({"smtp": SMTP | {"user": "etl"}}, "user and password_variable belong together"),
        (
            {"smtp": SMTP | {"user": "etl", "password_variable": "PASSWORD", "security": "none"}},
            "in the clear: use starttls or tls",
        ),
        ({"webhook": {"url_variable": "https://hooks.example/secret"}}, "String should match pattern"),
        ({"time_zone": "Kolkata"}, "no such time zone"),
        ({"morning_at": "07:30Z"}, "write the hour alone"),
        ({"at_once": ["everything"]}, "at_once.0: Input should be"),
        ({"server": "a\nb"}, "server: String should match pattern"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, keys: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, **keys)
    assert said in str(caught.value)
