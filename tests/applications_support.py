"""An application that signs people in with auth, as one in a browser does (RFC 6749 4.1, RFC 7636)."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.auth_support import Client, bearer

CALLBACK = "https://viewer.example.org/callback"
ISSUER = "http://127.0.0.1:8080/api/auth"


def challenge_of(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def answer_in(url: str) -> dict[str, str]:
    """What an address of the application tells it."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@dataclass
class Application:
    """One that is registered; its reader is whoever `token` speaks for."""

    client: Client
    client_id: str
    secret: str | None = None
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def request(self, **changed: Any) -> dict[str, Any]:
        """An authentication request; `...` leaves a parameter out."""
        asked = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile dicomweb",
            "state": "s-1",
            "nonce": "n-1",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
            **changed,
        }
        return {name: value for name, value in asked.items() if value is not ...}

    async def decide(self, token: str, **changed: Any) -> tuple[int, dict[str, Any]]:
        path = "/api/auth/oauth/authorizations"
        async with self.client.post(path, json=self.request(**changed), headers=bearer(token)) as answer:
            return answer.status, await answer.json()

    async def code(self, token: str, **changed: Any) -> str:
        status, answer = await self.decide(token, **{"decision": "allow", **changed})
        assert status == 200, answer
        return answer_in(answer["redirect_to"])["code"]

    async def post(self, path: str, **fields: str) -> tuple[int, dict[str, Any]]:
        proof = {"client_secret": self.secret} if self.secret else {}
        form = {"client_id": self.client_id, **proof, **fields}
        async with self.client.post(f"/api/auth/oauth/{path}", data=form) as answer:
            body = await answer.read()
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, await answer.json() if body else {}

    async def exchange(self, code: str, /, **changed: str) -> tuple[int, dict[str, Any]]:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": self.verifier,
            **changed,
        }
        return await self.post("token", **fields)

    async def refresh(self, token: str, **more: str) -> tuple[int, dict[str, Any]]:
        return await self.post("token", grant_type="refresh_token", refresh_token=token, **more)

    async def tokens(self, token: str, **changed: Any) -> dict[str, Any]:
        """What it gets when its reader lets it in."""
        status, answer = await self.exchange(await self.code(token, **changed))
        assert status == 200, answer
        return answer


async def register(client: Client, token: str, **changed: Any) -> Application:
    wanted = {"name": "Visor", "redirect_uris": [CALLBACK], **changed}
    async with client.post("/api/auth/applications", json=wanted, headers=bearer(token)) as answer:
        made = await answer.json()
        assert answer.status == 201, made
        return Application(client, made["client_id"], made["client_secret"])
