"""A mail server and a webhook on loopback that keep what they are sent."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


@dataclass
class Mails:
    """A running mail server.

    Attributes:
        port: where it listens.
        subjects: subjects of the mails that came.
        texts: their whole texts, with headers.
        refuses: the answer to every mail; empty to take them.
        password: what a login must give; empty for none.
        encrypted: of each mail, whether it came encrypted.
    """

    port: int
    subjects: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    refuses: str = ""
    password: str = ""
    encrypted: list[bool] = field(default_factory=list)

    def login(self, *given: object) -> AuthResult:
        """Let in whoever gives the password."""
        right = getattr(given[-1], "password", b"") == self.password.encode()
        return AuthResult(success=right, handled=False)  # or the server leaves a wrong one unanswered

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        if self.refuses:
            return self.refuses
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=default)
        transport = server.transport
        self.encrypted.append(transport is not None and transport.get_extra_info("sslcontext") is not None)
        self.subjects.append(str(mail["Subject"]))
        self.texts.append(f"{content.decode()}\n{mail.get_content()}")
        return "250 OK"


@contextmanager
def mail_server(security: str = "none", context: ssl.SSLContext | None = None) -> Iterator[Mails]:
    """A mail server, until the block ends.

    Args:
        security: as in ``SmtpConfig``; one that wants encryption takes neither password nor mail without it.
        context: its certificate and key.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:  # the controller cannot choose one itself
        mails = Mails(port=free.getsockname()[1])
    controller = Controller(
        mails,
        hostname="127.0.0.1",
        port=mails.port,
        authenticator=mails.login,
        auth_require_tls=security == "starttls",
        tls_context=context if security == "starttls" else None,
        require_starttls=security == "starttls",
        ssl_context=context if security == "tls" else None,
    )
    controller.start()
    try:
        yield mails
    finally:
        controller.stop()


@dataclass
class Hook:
    """A running webhook.

    Attributes:
        url: its address.
        texts: texts that came.
        status: what it answers.
    """

    url: str = ""
    texts: list[str] = field(default_factory=list)
    status: int = 200


@contextmanager
def webhook() -> Iterator[Hook]:
    """A webhook, until the block ends."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if hook.status == 200:
                hook.texts.append(json.loads(body)["text"])
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/secret-hook"
        yield hook
        server.shutdown()
        thread.join()
