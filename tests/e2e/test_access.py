"""Every route of every service, asked by everybody: who may see and do what, as one table says."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData, web
from pydantic import SecretStr

from docs.generate import access_document
from libs.common.encryption.keyring import Keyring
from libs.common.http.prefixes import PRIVATE, service_of
from services.allinone import app as allinone
from services.auth import app as auth
from services.auth.settings import AuthSettings
from services.ingest import app as ingest
from services.ingest.settings import IngestSettings
from services.portal import app as portal
from services.portal.settings import PortalSettings
from services.processor import app as processor
from services.processor.settings import ProcessorSettings
from services.results import app as results
from services.results.settings import ResultsSettings
from tests.builders import ct_instance
from tests.e2e.access_table import TABLE, Row
from tests.e2e.conftest import System
from tests.e2e.processes import PASSWORD, client_of


def routes_of(app: web.Application) -> set[str]:
    """Method and path of each route; the HEAD that comes by itself with a GET is left out."""
    handlers = {
        (route.method, route.resource.canonical): route.handler
        for route in app.router.routes()
        if route.resource is not None
    }
    return {
        f"{method} {path}"
        for (method, path), handler in handlers.items()
        if method != "HEAD" or handlers.get(("GET", path)) is not handler
    }


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Enough for every service's factory; nothing is connected before an application starts."""
    Keyring.create(tmp_path / "keyring.json")
    return {
        "data_dir": tmp_path,
        "keyring_file": tmp_path / "keyring.json",
        "database_url": SecretStr("postgresql://nobody@localhost/none"),
    }


@pytest.fixture
def services(settings: dict[str, Any]) -> dict[str, web.Application]:
    """Each service by itself, as its process builds it."""
    given = {**settings, "amqp_url": SecretStr("amqp://localhost")}
    return {
        "auth": auth.create(AuthSettings(**given)),
        "ingest": ingest.create(IngestSettings(**given)),
        "processor": processor.create(ProcessorSettings(**given)),
        "results": results.create(ResultsSettings(**given)),
        "portal": portal.create(PortalSettings(**given)),
    }


async def test_the_table_knows_every_route(
    services: dict[str, web.Application], settings: dict[str, Any]
) -> None:
    for name, app in services.items():
        unknown = routes_of(app) - set(TABLE)
        assert not unknown, f"{name} serves what tests/e2e/access_table.py does not know"
    together = routes_of(allinone.create({**settings, "amqp_url": None}, None))
    assert together == set().union(*map(routes_of, services.values())) == set(TABLE)


async def test_every_route_lies_below_a_prefix_of_its_service(services: dict[str, web.Application]) -> None:
    for name, app in services.items():
        for route in routes_of(app):
            method, path = route.split(" ")
            assert path in PRIVATE or service_of(method, path) == name, route


async def test_the_documentation_lists_every_operation(services: dict[str, web.Application]) -> None:
    listed = access_document()
    for name in ("auth", "ingest", "results"):
        for route in routes_of(services[name]):
            method, path = route.split(" ")
            if path not in PRIVATE and not path.endswith("/openapi.json"):
                assert f"| {method} | `{path}` |" in listed, route


@dataclass
class Caller:
    """Somebody who asks, signed in or not."""

    username: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    async def refresh_token(self, session: ClientSession, url: str) -> dict[str, str]:
        """A body with a session's refresh token, if there can be one."""
        if self.username is None:
            return {}
        async with session.post(f"{url}/api/auth/login", json=self.credentials()) as answer:
            return {"refresh_token": (await answer.json())["refresh_token"]}

    def credentials(self) -> dict[str, str]:
        """What this caller signs in with; wrong for nobody."""
        return {"username": self.username or "nobody", "password": PASSWORD}


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_every_route_answers_everybody_as_the_table_says(system: System) -> None:
    async with client_of(system.urls) as client:
        session, url = client.session, system.urls["portal"]
        callers = {"anonymous": Caller()}
        ids = {}
        for name in ("other", "owner", "staff", "viewing", "managing"):
            username = f"{name}-{secrets.token_hex(4)}"
            await asyncio.to_thread(system.create_user, username, staff=name == "staff")
            await client.login(username)
            callers[name] = Caller(username, dict(client.headers))
            async with session.get(f"{url}/api/auth/me", headers=client.headers) as answer:
                ids[name] = (await answer.json())["user_id"]
        client.headers = callers["owner"].headers
        _, body = await client.upload(("secret name.dcm", ct_instance(seed=secrets.randbelow(10**6))))
        file_id = body["files"][0]["id"]
        await client.ended(file_id)
        for name, mode in (("viewing", "view"), ("managing", "manage")):
            share = {"grantee": {"user": ids[name]}, "file_id": file_id, "mode": mode}
            async with session.post(f"{url}/api/shares", json=share, headers=client.headers) as answer:
                assert answer.status == 200, await answer.text()
        _, file = await client.get(f"/api/files/{file_id}")

        async def ask(route: str, name: str) -> int:
            caller = callers[name]
            method, path = route.split(" ")
            path = path.replace("{id}", file_id).replace("{file_id}", file_id)
            path = path.replace("{version}", "x").replace("{path}", "js/main.js" if "static" in path else "")
            for unknown in ("{user_id}", "{group_id}", "{session_id}", "{key_id}", "{share_id}"):
                path = path.replace(unknown, "999999")
            sent: dict[str, Any] = {}
            if route == "POST /api/auth/login":
                sent["json"] = caller.credentials()
            elif route in ("POST /api/auth/refresh", "POST /api/auth/logout"):
                sent["json"] = await caller.refresh_token(session, url)
            elif route == "PATCH /api/auth/me":
                sent["json"] = {"language": "es"}
            elif route == "PATCH /api/files/{id}":
                sent["json"] = {"collection": file["collection"]}
            elif route == "GET /api/auth/directory":
                sent["params"] = {"q": "nobody"}
            elif route == "POST /api/shares":
                sent["json"] = {"grantee": {"user": 999999}, "file_id": file_id, "mode": "view"}
            elif route == "GET /api/shares":
                sent["params"] = {"by": "me"}
            elif route == "POST /api/files":
                sent["data"] = FormData()
                sent["data"].add_field("file", ct_instance(seed=1), filename="a.dcm")
            async with session.request(method, url + path, headers=caller.headers, **sent) as answer:
                shown = answer.content_type != "text/event-stream" and await answer.text(errors="replace")
                if shown and name in ("anonymous", "other"):
                    assert file_id not in shown, route
                    assert "secret name" not in shown, route
                return answer.status

        found = {route: Row(**{name: await ask(route, name) for name in callers}) for route in TABLE}
        assert found == TABLE
