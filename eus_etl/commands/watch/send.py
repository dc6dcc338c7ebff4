"""Sends a message to a mail server and to a webhook. What they answer is shown nowhere."""

import os
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import requests

from eus_etl.domain.alerts.message import Message
from eus_etl.errors import ConfigError, EusEtlError, SourceUnavailableError
from eus_etl.settings import AlertsConfig, SmtpConfig, WebhookConfig

MAIL, WEBHOOK = "alerts.smtp", "alerts.webhook"

_TRUST = "if the hospital signs its own certificates, name theirs in SSL_CERT_FILE for the watchdog's service"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message.

    Attributes:
        arrived: whether any channel took it.
        failures: channels that did not take it, to why.
    """

    arrived: bool
    failures: Mapping[str, EusEtlError]


def channels(config: AlertsConfig) -> int:
    """How many channels are configured."""
    return (config.smtp is not None) + (config.webhook is not None)


def deliver(config: AlertsConfig, message: Message) -> Delivery:
    """Send a message over every channel; one that fails does not keep the other from being used."""
    failures: dict[str, EusEtlError] = {}
    if config.smtp is not None:
        try:
            _mail(config.smtp, message)
        except EusEtlError as error:
            failures[MAIL] = error
    if config.webhook is not None:
        try:
            _post(config.webhook, message)
        except EusEtlError as error:
            failures[WEBHOOK] = error
    return Delivery(len(failures) < channels(config), failures)


def require_mail_server(config: SmtpConfig) -> None:
    """Check that the mail server answers and lets us in; sends nothing.

    Raises:
        SourceUnavailableError: it does not.
        ConfigError: the password is not in the environment.
    """
    with _mail_server(config) as server:
        server.noop()


def _mail(config: SmtpConfig, message: Message) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"] = message.subject, config.sender
    mail["To"] = ", ".join(config.recipients)
    mail["Date"] = formatdate(localtime=True)
    mail["Message-ID"] = make_msgid(domain=config.sender.partition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no reply from whoever is away
    mail.set_content(message.body)
    with _mail_server(config) as server:
        refused = server.send_message(mail)
    if refused:
        raise _unavailable(MAIL, f"{len(refused)} of {len(config.recipients)} recipients were refused")


@contextmanager
def _mail_server(config: SmtpConfig) -> Iterator[smtplib.SMTP]:
    password = _secret(MAIL, config.password_variable) if config.password_variable else None
    try:
        encrypted = ssl.create_default_context()
        server: smtplib.SMTP
        if config.security == "tls":
            server = smtplib.SMTP_SSL(config.host, config.port, timeout=config.timeout_s, context=encrypted)
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=config.timeout_s)
        with server:
            if config.security == "starttls":
                server.ehlo()
                if not server.has_extn("starttls"):
                    raise _unavailable(MAIL, "the mail server offers no encryption by STARTTLS")
                server.starttls(context=encrypted)
            if config.user and password:
                server.login(config.user, password)
            yield server
    except smtplib.SMTPResponseException as error:
        raise _unavailable(MAIL, f"the mail server refuses ({error.smtp_code})") from None
    except ssl.SSLCertVerificationError:
        raise SourceUnavailableError(MAIL, "the mail server's certificate is not trusted", _TRUST) from None
    except (OSError, smtplib.SMTPException) as error:
        raise _unavailable(MAIL, f"the mail server does not answer ({type(error).__name__})") from None


def _post(config: WebhookConfig, message: Message) -> None:
    url = _secret(WEBHOOK, config.url_variable)
    try:
        answer = requests.post(
            url,
            json={"text": f"{message.subject}\n\n{message.body}"},
            timeout=config.timeout_s,
            allow_redirects=False,
        )
    except (requests.RequestException, ValueError) as error:
        raise _unavailable(WEBHOOK, f"the webhook does not answer ({type(error).__name__})") from None
    if not answer.ok or answer.is_redirect:
        raise _unavailable(WEBHOOK, f"the webhook refuses ({answer.status_code})")


def _secret(subject: str, variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigError(subject, f"{variable} is not set", "set it for the watchdog's service")
    return value


def _unavailable(subject: str, cause: str) -> SourceUnavailableError:
    return SourceUnavailableError(
        subject, cause, "check its settings and the network; `eus-etl watch --test` tries"
    )
