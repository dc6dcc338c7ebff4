"""Google's token service: a service account's signed assertion gets a bearer token."""

import json
import threading
from pathlib import Path

import google.auth.jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ACCOUNT = "pipeline@planted-project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/drive.readonly"


REFRESH_TOKEN, CLIENT_SECRET = "1//planted-refresh-token", "GOCSPX-planted-secret"
_REFUSED: tuple[int, dict[str, object]] = (
    400,
    {"error": "invalid_grant", "error_description": "ya29.planted-token is not valid"},
)


class TokenOffice:
    """Gives out tokens for one service account whose key it made itself."""

    def __init__(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        self._public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._valid: set[str] = set()
        self._given = 0
        self._lock = threading.Lock()
        self.refuses = False
        self.acts_as: str | None = None

    @property
    def secrets(self) -> list[str]:
        """What must never stand in a log or an error."""
        return [REFRESH_TOKEN, CLIENT_SECRET, "ya29.planted-token", self._private.splitlines()[1]]

    def write_key_file(self, path: Path, address: str) -> Path:
        key = {
            "type": "service_account",
            "project_id": "planted-project",
            "private_key_id": "0123456789abcdef",
            "private_key": self._private,
            "client_email": ACCOUNT,
            "client_id": "1",
            "token_uri": f"{address}/token",
        }
        path.write_text(json.dumps(key), encoding="utf-8")
        return path

    def write_authorization(self, path: Path, address: str) -> Path:
        """What a person authorized, as Google's library stores it."""
        facts = {
            "refresh_token": REFRESH_TOKEN,
            "client_id": "client.apps.googleusercontent.com",
            "client_secret": CLIENT_SECRET,
            "token_uri": f"{address}/token",
            "scopes": [SCOPE],
        }
        path.write_text(json.dumps(facts), encoding="utf-8")
        return path

    def answer(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        try:
            claims = google.auth.jwt.decode(  # type: ignore[no-untyped-call]  # not annotated there
                form["assertion"], certs=self._public, verify=True
            )
        except (KeyError, ValueError):
            claims = {}
        if form.get("grant_type") == "refresh_token":
            right = form.get("refresh_token") == REFRESH_TOKEN and form.get("client_secret") == CLIENT_SECRET
            return self._given_out() if right and not self.refuses else _REFUSED
        self.acts_as = claims.get("sub")
        right = form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        if self.refuses or not right or (claims.get("iss"), claims.get("scope")) != (ACCOUNT, SCOPE):
            return _REFUSED
        return self._given_out()

    def _given_out(self) -> tuple[int, dict[str, object]]:
        with self._lock:
            self._given += 1
            token = f"ya29.planted-token-{self._given}"
            self._valid.add(token)
        return 200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}

    def accepts(self, authorization: str) -> bool:
        with self._lock:
            return authorization.removeprefix("Bearer ") in self._valid

    def revoke_all(self) -> None:
        with self._lock:
            self._valid.clear()
