"""SQL, headers and odd characters in every text that auth takes: text stays text, and nothing of it runs.

The fields are those of the service's own description, so that a new one is tried as well.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from yarl import URL

from libs.common.database.postgres import Connection
from libs.common.http.client import parse_networks
from tests.auth_support import Client, Start, bearer, sign_in

PASSWORD = "four unrelated words here"
TEXTS = (
    "'; DROP TABLE auth.auth_user; --",
    "' OR '1'='1",
    "\\'; SELECT pg_sleep(100); --",
    "a\r\nSet-Cookie: planted=1\r\n\r\n<script>alert(1)</script>",
    "a\x00b",
    "%00%0d%0aSet-Cookie:%20planted=1",
    "${7*7}{{7*7}}$(id)`id`",
    "\ud800",
    "\u202egnp.exe",
    "9" * 400,
)
PATH = {
    "user_id": "2",
    "group_id": "1",
    "session_id": "0" * 32,
    "key_id": "0" * 32,
}
EXAMPLES = {
    "password": PASSWORD,
    "current_password": "not the password",
    "new_password": "another phrase of some words",
    "refresh_token": "x",
    "grant_type": "client_credentials",
}
UNIQUE = ("username", "name")


@dataclass(frozen=True)
class Place:
    """A text field of a body."""

    method: str
    path: str
    media_type: str
    required: tuple[str, ...]
    field: str
    many: bool

    def body(self, text: str, number: int) -> dict[str, Any]:
        """What is sent with `text` in the field."""
        filled = {name: EXAMPLES.get(name, f"one{number}") for name in self.required}
        return {**filled, self.field: [text] if self.many else text}


def filled(path: str) -> str:
    for name, value in PATH.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def is_text(schema: dict[str, Any]) -> bool:
    return any(one.get("type") == "string" for one in (schema, *schema.get("anyOf", ())))


def is_texts(schema: dict[str, Any]) -> bool:
    found = (schema, *schema.get("anyOf", ()))
    return any(one.get("type") == "array" and is_text(one.get("items", {})) for one in found)


def places(document: dict[str, Any]) -> Iterator[Place]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                schema = content["schema"]
                if "$ref" in schema:
                    schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
                required = tuple(schema.get("required", ()))
                for name, kind in schema["properties"].items():
                    if is_text(kind) or is_texts(kind):
                        yield Place(method, filled(path), media_type, required, name, is_texts(kind))


@dataclass
class Attacker:
    """A superuser of the system who sends odd things, so that nothing is refused for lack of rights."""

    client: Client
    headers: dict[str, str]
    document: dict[str, Any]
    sql: Connection
    made: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    async def send(self, method: str, path: str | URL, **sent: Any) -> tuple[int, Any]:
        """Status and JSON body; no answer is an error of ours or says what was sent in a header."""
        headers = {**self.headers, **sent.pop("headers", {})}
        async with self.client.request(method, path, headers=headers, **sent) as answer:
            body = await answer.read()
            assert answer.status < 500, (method, path, sent, body)
            assert not any("planted" in f"{name}{value}".lower() for name, value in answer.headers.items())
            self.made += answer.status == 201
            self.statuses[answer.status] += 1
            return answer.status, json.loads(body) if answer.content_type.endswith("json") else None

    async def rows(self) -> int:
        """Accounts, groups and keys."""
        return int(
            await self.sql.fetchval(
                "SELECT (SELECT count(*) FROM auth.auth_user) + (SELECT count(*) FROM auth.auth_group)"
                " + (SELECT count(*) FROM auth.api_key)"
            )
        )


@pytest.fixture
async def attacker(start_auth: Start, database_url: str) -> AsyncIterator[Attacker]:
    client = await start_auth(trusted_proxies=parse_networks("127.0.0.0/8"))
    token = (await sign_in(client))["access_token"]
    document = await (await client.get("/api/auth/openapi.json")).json()
    connection = await asyncpg.connect(database_url)
    found = Attacker(client, bearer(token), document, connection)
    await found.send("POST", "/api/auth/users", json={"username": "victim", "password": PASSWORD})
    found.made = 0
    yield found
    await connection.close()


async def test_every_text_of_a_body_is_only_text(attacker: Attacker) -> None:
    before, numbers = await attacker.rows(), itertools.count()
    tried = list(places(attacker.document))
    assert {place.field for place in tried} >= {"username", "name", "email", "permissions", "scope"}
    assert len(tried) > 40
    for place, text in itertools.product(tried, TEXTS):
        body = place.body(text, next(numbers))
        if place.media_type == "application/json":
            sent: dict[str, Any] = {
                "data": json.dumps(body).encode(),
                "headers": {"Content-Type": "application/json"},
            }
        else:
            form = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in body.items())
            sent = {"data": form, "headers": {"Content-Type": place.media_type, "Authorization": ""}}
        status, answer = await attacker.send(place.method, place.path, **sent)
        kept = None if answer is None or status >= 400 else answer.get(place.field)
        if isinstance(kept, str) and place.field != "refresh_token":
            assert kept == text, place
    # It got through to where things are looked up, compared and kept.
    assert min(attacker.statuses[status] for status in (200, 201, 204, 400, 401, 409)) > 3
    assert await attacker.rows() == before + attacker.made
    assert await attacker.sql.fetchval("SELECT username FROM auth.auth_user WHERE id = 2") == "victim"


async def test_every_parameter_is_only_text(attacker: Attacker) -> None:
    before, tried = await attacker.rows(), 0
    for path, methods in attacker.document["paths"].items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                for text in TEXTS:
                    shown = quote(text, safe="", errors="replace")
                    if parameter["in"] == "path":
                        url = filled(path.replace(f"{{{parameter['name']}}}", shown))
                    elif parameter["in"] == "query":
                        url = f"{filled(path)}?{parameter['name']}={shown}"
                    else:
                        continue
                    status, answer = await attacker.send(method, URL(url, encoded=True), json={})
                    tried += 1
                    if status == 200 and parameter["name"] == "q":
                        assert [value for value in answer.values() if isinstance(value, list)] == [[]], text
                    else:
                        assert status in (200, 400, 401, 404, 405), (method, url)
                        assert parameter["in"] == "query" or status != 200, url
    assert tried > 100
    assert await attacker.rows() == before


async def test_every_header_is_only_text(attacker: Attacker) -> None:
    before = await attacker.rows()
    for text in TEXTS:
        shown = text.encode("utf-8", "replace").decode().translate({0: None, 10: None, 13: None})
        basic = base64.b64encode(f"{shown}:{shown}".encode()).decode()
        for name, value in (
            ("User-Agent", shown),
            ("X-Forwarded-For", shown),
            ("X-Forwarded-Proto", shown),
            ("Origin", shown),
            ("If-None-Match", shown),
            ("traceparent", shown),
            ("Cookie", f"dicom_access={quote(shown)}; dicom_refresh={quote(shown)}"),
            ("Authorization", f"Bearer {shown}"),
            ("Authorization", f"Bearer dk_{shown}"),
            ("Authorization", f"Basic {basic}"),
        ):
            headers = {name: value}
            for method, path, body in (
                ("POST", "/api/auth/login", {"username": "victim", "password": PASSWORD}),
                ("POST", "/api/auth/refresh", None),
                ("POST", "/api/auth/logout", None),
                ("GET", "/api/auth/me", None),
                ("GET", "/api/auth/revocations.json", None),
            ):
                await attacker.send(method, path, json=body, headers=headers)
    async with attacker.client.post(
        "/api/auth/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {basic}"},
    ) as answer:
        assert answer.status == 401
    assert await attacker.rows() == before
    agents = await attacker.sql.fetch("SELECT user_agent FROM auth.auth_session WHERE user_id = 2")
    assert "'; DROP TABLE auth.auth_user; --" in {row["user_agent"] for row in agents}
