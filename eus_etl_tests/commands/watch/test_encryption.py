"""Messages over an encrypted connection: to whom the certificate belongs, or to nobody."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from eus_etl.commands.watch.send import MAIL, Delivery, deliver
from eus_etl.domain.alerts.message import Message
from eus_etl.settings import AlertsConfig, SmtpConfig
from eus_etl_tests.support.servers.alert_servers import Mails, mail_server

VARIABLE, RIGHT = "TESTED_PASSWORD", "right"
MESSAGE = Message("[eus_etl] test", "text\n")
TRUSTED = "SSL_CERT_FILE"
"""Names the certificates that Python trusts; docs/alerts.md says so to a hospital that signs its own."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that nobody else has signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "mail.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.fixture(params=["starttls", "tls"])
def mails(request: pytest.FixtureRequest, certificate: Path) -> Iterator[tuple[Mails, str]]:
    """A mail server that wants encryption, and its kind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with mail_server(request.param, context) as running:
        running.password = RIGHT
        yield running, request.param


def send(port: int, security: str, tmp_path: Path) -> Delivery:
    smtp = {
        "host": "127.0.0.1",
        "port": port,
        "security": security,
        "user": "etl",
        "password_variable": VARIABLE,
        "sender": "etl@hospital.example",
        "recipients": ["engineer@hospital.example"],
    }
    config = AlertsConfig(record=tmp_path / "told.json", smtp=SmtpConfig.model_validate(smtp))
    return deliver(config, MESSAGE)


def test_a_message_and_its_password_go_encrypted_to_a_server_that_is_trusted(
    mails: tuple[Mails, str], certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, security = mails
    monkeypatch.setenv(TRUSTED, str(certificate))
    for given, arrived in (("wrong", False), (RIGHT, True)):
        monkeypatch.setenv(VARIABLE, given)
        assert send(server.port, security, tmp_path).arrived == arrived
    assert server.subjects == ["[eus_etl] test"]
    assert server.encrypted == [True]


def test_nothing_goes_to_a_server_whose_certificate_is_not_trusted(
    mails: tuple[Mails, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, security = mails
    monkeypatch.setenv(VARIABLE, RIGHT)
    delivery = send(server.port, security, tmp_path)
    assert not delivery.arrived
    assert "the mail server's certificate is not trusted" in str(delivery.failures[MAIL])
    assert TRUSTED in str(delivery.failures[MAIL])
    assert server.subjects == []


def test_nothing_goes_in_the_clear_to_a_server_without_encryption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, RIGHT)
    with mail_server() as server:
        server.password = RIGHT
        delivery = send(server.port, "starttls", tmp_path)
    assert not delivery.arrived
    assert "the mail server offers no encryption" in str(delivery.failures[MAIL])
    assert server.subjects == []
