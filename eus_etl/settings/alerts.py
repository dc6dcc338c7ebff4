"""Who is told when something needs a person: the model of ``alerts.yaml``.

One file for all studies of a server: a server has one daemon, one disk or two, and one person who answers.
"""

from datetime import time
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from eus_etl.settings.model import Model

Kind = Literal[
    "failed_run",
    "source_unreachable",
    "disk",
    "daemon",
    "sensor",
    "service",
    "mail_server",
    "unreadable",
    "rejected_file",
    "rejected_row",
    "unassigned",
    "label_problem",
    "text_check",
    "clock_drift",
    "damaged_data",
    "upkeep",
    "nothing_new",
    "sensor_off",
]
"""What may need a person. docs/alerts.md explains each."""

KINDS: tuple[Kind, ...] = get_args(Kind)

BLOCKING: tuple[Kind, ...] = (
    "failed_run",
    "source_unreachable",
    "disk",
    "daemon",
    "sensor",
    "service",
    "mail_server",
    "unreadable",
)
"""Kinds that keep a visit or all of them from being made."""

_ADDRESS = r"^[^@\s<>,]+@[^@\s<>,]+$"
_VARIABLE = r"^[A-Z_][A-Z0-9_]*$"


class SmtpConfig(Model):
    """A mail server that takes messages."""

    host: str = Field(min_length=1, description="The server's name or address.")
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="`none` sends no password, unless the server is on this machine."
    )
    user: str | None = Field(default=None, description="Name to log in with; null for no login.")
    password_variable: str | None = Field(
        default=None, pattern=_VARIABLE, description="Environment variable that holds the password."
    )
    sender: str = Field(pattern=_ADDRESS, description="Address that messages come from.")
    recipients: tuple[Annotated[str, Field(pattern=_ADDRESS)], ...] = Field(
        min_length=1, description="Addresses that messages go to."
    )
    timeout_s: float = Field(default=10.0, gt=0, le=60, description="Longest wait for each answer.")

    @model_validator(mode="after")
    def _login_is_whole_and_hidden(self) -> Self:
        if (self.user is None) != (self.password_variable is None):
            raise ValueError("user and password_variable belong together: give both, or none")
        if self.user and self.security == "none" and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("a password would cross the network in the clear: use starttls or tls")
        return self


class WebhookConfig(Model):
    """An address that takes `{"text": ...}`, as Slack, Mattermost, Teams and Google Chat offer."""

    url_variable: str = Field(
        pattern=_VARIABLE,
        description="Environment variable that holds the address: whoever knows it can write there.",
    )
    timeout_s: float = Field(default=10.0, gt=0, le=60, description="Longest wait for the answer.")


class AlertsConfig(Model):
    """Who is told, of what, and when."""

    server: str = Field(default="eus_etl", pattern=r"^[\w .-]+$", description="Name in each subject.")
    record: Path = Field(
        description="File that remembers what was told. Not in the Dagster home, which may be wiped."
    )
    smtp: SmtpConfig | None = None
    webhook: WebhookConfig | None = None
    page: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s]+$",
        description="Address of Dagster's page as its readers reach it, for links; null for none.",
    )
    aliases: bool = Field(
        default=True, description="Whether messages name aliases; false where they leave the hospital."
    )
    webserver: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s]+$",
        description="Address of the web server on this machine; it is asked whether it answers.",
    )
    code_server: str | None = Field(
        default=None,
        pattern=r"^[\w.:\[\]-]+:\d+$",
        description="Host and port of the code server; it is asked whether it serves.",
    )
    at_once: tuple[Kind, ...] = Field(
        default=BLOCKING, description="Kinds that are told at once; all others wait for the morning."
    )
    morning_at: time = Field(default=time(7, 30), description="When the morning's message is sent, if any.")
    time_zone: str = Field(default="Asia/Kolkata", description="Where that morning is.")
    patience_min: float = Field(
        default=3.0, ge=0, description="Minutes for which a daemon, sensor or service may be silent."
    )
    source_patience_min: float = Field(
        default=15.0, ge=0, description="Minutes for which a source may be unreachable."
    )
    nothing_new_days: float | None = Field(
        default=7.0, gt=0, description="Days without a new upload after which it is told; null for never."
    )
    disk_free_gb: float = Field(default=50.0, ge=0, description="Less free disk space than this is told.")

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("no such time zone; write it like Asia/Kolkata") from None
        return name

    @field_validator("morning_at")
    @classmethod
    def _is_local(cls, moment: time) -> time:
        if moment.tzinfo is not None:
            raise ValueError("write the hour alone, like 07:30; time_zone says where")
        return moment
