"""An OpenID provider that lies on demand, and browsers that go there and back."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.auth_support import Client

SECRET = "a secret: of the client"
CLIENT_ID = "dicom"


def fresh_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(8), "use": "sig", "alg": "RS256"})


@dataclass
class LyingProvider:
    """Honest until a test changes something."""

    key: RSAKey = field(default_factory=fresh_key)
    published: list[dict[str, Any]] | None = None
    """Keys; None: its own."""
    metadata: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "ana-at-the-provider"})
    """Of the ID token, beyond and instead of honest ones; `...` leaves one out."""
    userinfo: dict[str, Any] = field(default_factory=dict)
    takes_codes_twice: bool = False
    token_answer: tuple[int, bytes] | None = None
    away: bool = False
    fetched: list[str] = field(default_factory=list)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """Parameters of the authorization request, by code."""
    url: str = ""

    def authorize(self, location: str) -> str:
        """The code for an authorization request, as if somebody had signed in."""
        code = secrets.token_hex(16)
        self.asked[code] = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        return code

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        honest = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": nonce}
        claims = {name: value for name, value in {**honest, **self.claims}.items() if value is not ...}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    async def discovery(self, request: web.Request) -> web.Response:
        self._note(request)
        return web.json_response(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize?tenant=x",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "end_session_endpoint": f"{self.url}/logout",
                **self.metadata,
            }
        )

    async def jwks(self, request: web.Request) -> web.Response:
        self._note(request)
        own = [self.key.as_dict(private=False)]
        return web.json_response({"keys": own if self.published is None else self.published})

    async def token(self, request: web.Request) -> web.Response:
        self._note(request)
        if self.token_answer is not None:
            status, body = self.token_answer
            return web.Response(status=status, body=body, content_type="application/json")
        form = await request.post()
        scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(pair).decode().partition(":")
        if scheme != "Basic" or (unquote_plus(user), unquote_plus(password)) != (CLIENT_ID, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        code, verifier = str(form["code"]), str(form["code_verifier"])
        asked = self.asked.get(code)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        said = {"code_challenge": challenge, "redirect_uri": form["redirect_uri"]}
        if asked is None or not said.items() <= asked.items():
            return web.json_response({"error": "invalid_grant"}, status=400)
        if not self.takes_codes_twice:
            del self.asked[code]
        return web.json_response(
            {"access_token": "opaque", "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])}
        )

    async def who(self, request: web.Request) -> web.Response:
        self._note(request)
        assert request.headers["Authorization"] == "Bearer opaque"
        return web.json_response(self.userinfo)

    def _note(self, request: web.Request) -> None:
        self.fetched.append(request.path)
        if self.away:
            raise web.HTTPBadGateway

    @asynccontextmanager
    async def served(self) -> AsyncIterator[LyingProvider]:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self.discovery)
        app.router.add_get("/jwks", self.jwks)
        app.router.add_post("/token", self.token)
        app.router.add_get("/userinfo", self.who)
        async with TestServer(app) as server:
            self.url = str(server.make_url("")).rstrip("/")
            yield self


def providers_file(folder: Path, **providers: dict[str, Any]) -> Path:
    """OIDC_PROVIDERS_FILE with these, by name."""
    secret, path = folder / "client-secret", folder / "providers.json"
    secret.write_text(SECRET)
    path.write_text(
        json.dumps(
            {
                "providers": [
                    {
                        "name": name,
                        "title": name.title(),
                        "client_id": CLIENT_ID,
                        "client_secret_file": str(secret),
                        **more,
                    }
                    for name, more in providers.items()
                ]
            }
        )
    )
    return path


async def depart(browser: Client, provider: str = "one", **query: str) -> str:
    """Where the browser is led."""
    path = f"/api/auth/oidc/{provider}/sign-in"
    async with browser.get(path, params=query, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        return answer.headers["Location"]


async def come_back(browser: Client, provider: str = "one", **query: str) -> ClientResponse:
    """What the browser is answered that brings this back."""
    path = f"/api/auth/oidc/{provider}/callback"
    answer = await browser.get(path, params=query, allow_redirects=False)
    await answer.read()
    return answer


async def sign_in(
    browser: Client, lying: LyingProvider, provider: str = "one", **query: str
) -> ClientResponse:
    """There and back."""
    location = await depart(browser, provider, **query)
    state = parse_qs(urlsplit(location).query)["state"][0]
    return await come_back(browser, provider, code=lying.authorize(location), state=state)


def problem_of(answer: ClientResponse) -> str | None:
    """The code that the sign-in page is told, if it is."""
    assert answer.status == 302
    parts = urlsplit(answer.headers["Location"])
    return parse_qs(parts.query).get("problem", [None])[0]
