"""People with an authenticator, and what it shows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pyotp

from tests.auth_support import ADMIN, Client, bearer, sign_in

PASSWORD = "four unrelated words here"


def code_of(secret: str, ahead: int = 0) -> str:
    """What the app shows, or shows 1 step later; a step may end before it is looked at: drift allows it."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * ahead)


@dataclass
class Person:
    """Somebody at a browser."""

    client: Client
    username: str = ADMIN["username"]
    password: str = ADMIN["password"]
    address: str = "127.0.0.1"
    secret: str = ""
    recovery_codes: list[str] = field(default_factory=list)

    async def post(
        self, path: str, body: Any, token: str | None = None, method: str = "POST", **headers: str
    ) -> tuple[int, Any]:
        """Status and JSON body of an answer."""
        sent = {"X-Forwarded-For": self.address, **({} if token is None else bearer(token)), **headers}
        async with self.client.request(method, f"/api/auth{path}", json=body, headers=sent) as answer:
            return answer.status, None if answer.status == 204 else await answer.json()

    async def login(self) -> tuple[int, Any]:
        """The first step."""
        return await self.post("/login", {"username": self.username, "password": self.password})

    async def challenge(self) -> str:
        """The token of a sign-in that waits for its second factor."""
        status, found = await self.login()
        assert status == 202, found
        token: str = found["challenge_token"]
        return token

    async def complete(self, challenge: str, code: str) -> tuple[int, Any]:
        """The second step."""
        return await self.post("/login/second-factor", {"challenge_token": challenge, "code": code})

    async def set_up(self) -> str:
        """Set an authenticator up; the access token of the session that did it."""
        found = await sign_in(self.client, username=self.username, password=self.password)
        token: str = found["access_token"]
        status, made = await self.post("/totp", {"password": self.password}, token)
        assert status == 200, made
        self.secret = made["secret"]
        status, shown = await self.post("/totp/confirm", {"code": code_of(self.secret)}, token)
        assert status == 200, shown
        self.recovery_codes = shown["recovery_codes"]
        return token

    def code(self) -> str:
        """What the app shows next: that of now was used to set it up."""
        return code_of(self.secret, 1)

    async def signed_in(self) -> str:
        """The access token of a sign-in by a recovery code."""
        status, found = await self.complete(await self.challenge(), self.recovery_codes.pop())
        assert status == 200, found
        token: str = found["access_token"]
        return token
