"""A finished hospital, a mail server, a webhook, and a watch over it all."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from eus_etl.commands.watch.run import Outcome, watch_once
from eus_etl.settings import AlertsConfig, SmtpConfig, WebhookConfig
from eus_etl.settings.alerts import Kind
from eus_etl_tests.support.servers.alert_servers import Hook, Mails, mail_server, webhook

NOW = 1_791_200_000.0
"""2026-10-05, 16:53 in India."""
HOOK_VARIABLE = "TESTED_WEBHOOK"


@pytest.fixture
def mails() -> Iterator[Mails]:
    with mail_server() as running:
        yield running


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with webhook() as running:
        monkeypatch.setenv(HOOK_VARIABLE, running.url)
        yield running


@dataclass
class Watch:
    """Looks at a hospital, each time as a new process would."""

    hospital: TinyHospital
    mails: Mails
    config: AlertsConfig

    def at(self, minute: float, kinds: tuple[Kind, ...] = (), **changes: object) -> Outcome:
        config = self.config.model_copy(update={"at_once": kinds, **changes})
        return watch_once(self.hospital.configs, config, NOW + 60 * minute)


@pytest.fixture
def watch(
    made_hospital: TinyHospital, mails: Mails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Watch:
    """A watch whose morning is late at night, and that tells no kind at once unless a test says so."""
    monkeypatch.setenv("DAGSTER_HOME", str(made_hospital.home))
    config = AlertsConfig(
        record=tmp_path / "alerts" / "told.json",
        smtp=SmtpConfig(
            host="127.0.0.1",
            port=mails.port,
            security="none",
            sender="etl@hospital.example",
            recipients=("engineer@hospital.example", "deputy@hospital.example"),
        ),
        webhook=WebhookConfig(url_variable=HOOK_VARIABLE),
        page="https://etl.example",
        morning_at=time(23, 59),
        nothing_new_days=None,
        disk_free_gb=0,
    )
    return Watch(made_hospital, mails, config)
