"""Messages over a real mail server and a real webhook: each once, whatever dies in between."""

from pathlib import Path

import pytest

from eus_etl.commands.watch import run as watch_run
from eus_etl.commands.watch.send import deliver
from eus_etl.domain.alerts.message import Message
from eus_etl.settings import AlertsConfig
from eus_etl_tests.commands.watch.conftest import HOOK_VARIABLE, Watch
from eus_etl_tests.support.servers.alert_servers import Hook, Mails

EVERYTHING = 10**9
"""No disk has so many GB: every disk is too full."""


def test_a_message_comes_over_both_channels_once(watch: Watch, mails: Mails, hook: Hook) -> None:
    for minute in range(3):
        assert watch.at(minute, ("disk",), disk_free_gb=EVERYTHING).failures == []
    assert mails.subjects == ["[eus_etl] little disk space (1)"]
    assert len(hook.texts) == 1
    assert "root: " in hook.texts[0]
    assert "To: engineer@hospital.example, deputy@hospital.example" in mails.texts[0]


def test_a_crash_between_sending_and_recording_tells_twice(
    watch: Watch, mails: Mails, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(watch_run, "after_telling", dies)
        watch.at(0, ("disk",), disk_free_gb=EVERYTHING)
    assert len(hook.texts) == 1
    for minute in (1, 2):
        watch.at(minute, ("disk",), disk_free_gb=EVERYTHING)
    assert len(hook.texts) == len(mails.subjects) == 2


def test_a_dead_mail_server_is_told_by_the_webhook_once(watch: Watch, hook: Hook) -> None:
    assert watch.config.smtp is not None
    dead = watch.config.smtp.model_copy(update={"port": 1})
    outcomes = [watch.at(minute, ("mail_server", "disk"), smtp=dead) for minute in range(6)]
    assert [len(outcome.sent) for outcome in outcomes] == [0, 0, 0, 1, 0, 0]
    for outcome in outcomes:
        assert any("the mail server does not answer" in failure for failure in outcome.failures)
    assert [text.splitlines()[0] for text in hook.texts] == [
        "[eus_etl] the mail server takes no messages (1)"
    ]


def test_what_could_not_be_sent_is_sent_later(watch: Watch, mails: Mails, hook: Hook) -> None:
    mails.refuses, hook.status = "451 not now", 503
    outcome = watch.at(0, ("disk",), disk_free_gb=EVERYTHING)
    assert outcome.sent == []
    assert outcome.failures[-1] == "told to nobody: [eus_etl] little disk space (1)"
    assert any("refuses (451)" in failure for failure in outcome.failures)
    assert any("refuses (503)" in failure for failure in outcome.failures)
    mails.refuses = ""
    assert len(watch.at(1, ("disk",), disk_free_gb=EVERYTHING).sent) == 1
    assert len(mails.subjects) == 1


def test_secrets_stay_in_the_environment(
    watch: Watch, hook: Hook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hook.status = 500
    said = " ".join(watch.at(0, ("disk",), disk_free_gb=EVERYTHING).failures)
    assert "secret-hook" not in said
    monkeypatch.delenv(HOOK_VARIABLE)
    assert f"{HOOK_VARIABLE} is not set" in " ".join(watch.at(61, ("daemon",)).failures)
    assert "secret-hook" not in (tmp_path / "alerts" / "told.json").read_text()


def test_it_logs_in_with_a_password_from_the_environment(
    watch: Watch, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watch.config.smtp is not None
    login = watch.config.smtp.model_copy(update={"user": "etl", "password_variable": "TESTED_PASSWORD"})
    config = watch.config.model_copy(update={"smtp": login, "webhook": None})
    message, mails.password = Message("[eus_etl] test", "text\n"), "right"
    for given, arrived in (("wrong", False), ("right", True)):
        monkeypatch.setenv("TESTED_PASSWORD", given)
        delivery = deliver(config, message)
        assert delivery.arrived == arrived
        assert "wrong" not in " ".join(map(str, delivery.failures.values()))


def test_without_a_channel_it_says_that_nobody_is_told(watch: Watch) -> None:
    outcome = watch.at(0, ("disk",), disk_free_gb=EVERYTHING, smtp=None, webhook=None)
    assert outcome.failures == ["told to nobody, as no channel is configured: 1 problems"]


def test_a_full_record_disk_is_no_flood(watch: Watch, hook: Hook, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for minute in range(2):
        with pytest.raises(Exception, match="cannot be remembered"):
            watch.at(minute, ("disk",), disk_free_gb=EVERYTHING, record=tmp_path / "file" / "told.json")
    assert hook.texts == []


def test_a_message_may_hold_any_letters(watch: Watch, mails: Mails) -> None:
    config: AlertsConfig = watch.config.model_copy(update={"webhook": None})
    assert deliver(config, Message("[eus_etl] Prüfung", "größer als …\n")).failures == {}
    assert mails.subjects == ["[eus_etl] Prüfung"]
    assert "größer als …" in mails.texts[0]
