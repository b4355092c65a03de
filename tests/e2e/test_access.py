"""Every route of every service, asked by everybody: who may see and do what, as one table says."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import BytesPayload, ClientSession, FormData, web
from pydantic import SecretStr

from docs.generate import access_document
from libs.common.encryption.keyring import Keyring
from libs.common.http.audited import AUDIT_RULES, AuditRule
from libs.common.http.authenticate import BY_LINK
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
from tests.builders import UID_ROOT, ct_instance
from tests.e2e.access_table import CALLERS, TABLE
from tests.e2e.conftest import System
from tests.e2e.processes import PASSWORD, Client, client_of
from tests.waiting import eventually


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


async def test_links_open_results_and_nothing_else(settings: dict[str, Any]) -> None:
    app = allinone.create({**settings, "amqp_url": None}, None)
    opened = {
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if route.resource is not None and route.handler in app[BY_LINK]
    }
    assert opened == {
        "GET /api/results",
        "GET /api/results/summary",
        "GET /api/results/facets",
        "GET /api/results/{file_id}",
        "GET /api/results/{file_id}/neighbours",
        "GET /api/results/{file_id}/thumbnail",
        "GET /api/results/{file_id}/frame-means",
        "GET /api/results/{file_id}/file",
        "HEAD /api/results/{file_id}/file",
        "GET /api/results/{file_id}/frames/{number}",
        "HEAD /api/results/{file_id}/frames/{number}",
        "GET /api/series/{series_uid}/stack",
        "GET /api/results/{file_id}/document",
        "HEAD /api/results/{file_id}/document",
        "GET /api/studies",
        "GET /api/studies/facets",
        "GET /api/studies/{study_uid}",
        "GET /api/studies/{study_uid}/zip",
        "GET /api/changes",
        "GET /api/events",
    }


@dataclass
class Caller:
    """Somebody who asks, signed in or not; `file_id` is the file that they ask for, its study, and where."""

    username: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    user_id: int | None = None
    file_id: str = ""
    study_uid: str = ""
    """Of which its series and its instance have the UIDs with `.1` and `.1.1` behind."""
    collection: str = ""
    params: dict[str, str] = field(default_factory=dict)
    """With every request."""

    def credentials(self) -> dict[str, str]:
        """What this caller signs in with; wrong for nobody."""
        return {"username": self.username or "nobody", "password": PASSWORD}


class Cast:
    """Makes everybody whom the table names, and the files that they ask for."""

    def __init__(self, client: Client, url: str) -> None:
        """`client` is signed in as a superuser."""
        self._client = client
        self._admin = dict(client.headers)
        self._url = url

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        """JSON to and from a route that must do what it is asked."""
        sent = {"headers": headers or self._admin, "json": body}
        async with self._client.session.request(method, self._url + path, **sent) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def person(self, name: str, *groups: int) -> Caller:
        """A new account, signed in."""
        username = f"{name}-{secrets.token_hex(4)}"
        wanted = {
            "username": username,
            "password": PASSWORD,
            "groups": groups,
            "must_change_password": False,
        }
        made = await self.call("POST", "/api/auth/users", wanted)
        await self._client.login(username)
        return Caller(username, dict(self._client.headers), made["id"])

    async def machine(self) -> Caller:
        """A service account with a token of its own."""
        scopes = ["add_dicomfile", "view_dicomfile", "view_dicomresult"]
        wanted = {"username": f"machine-{secrets.token_hex(4)}", "permissions": scopes}
        made = await self.call("POST", "/api/auth/service-accounts", wanted)
        form = {
            "grant_type": "client_credentials",
            "client_id": made["client_id"],
            "client_secret": made["client_secret"],
        }
        async with self._client.session.post(f"{self._url}/api/auth/token", data=form) as answer:
            token = (await answer.json())["access_token"]
        return Caller(None, {"Authorization": f"Bearer {token}"}, made["id"])

    async def link(self, maker: Caller, file_id: str, *, download: bool) -> Caller:
        """A browser that has opened a link."""
        wanted = {"file_id": file_id, "download": download}
        made = await self.call("POST", "/api/links", wanted, maker.headers)
        url = f"{self._url}/api/links/session"
        async with self._client.session.post(url, json={"token": made["token"]}) as answer:
            cookie = answer.cookies["dicom_link"]
        return Caller(None, {"Cookie": f"dicom_link={cookie.value}"}, None, file_id, params={"via": "link"})

    async def upload(self, sender: Caller, **params: str) -> tuple[str, str]:
        """A file that is processed, of a study of its own; its id and the study's UID."""
        form, study_uid = FormData(), f"{UID_ROOT}.8.{secrets.randbelow(10**9)}"
        content = ct_instance(
            seed=secrets.randbelow(10**6),
            StudyInstanceUID=study_uid,
            SeriesInstanceUID=f"{study_uid}.1",
            SOPInstanceUID=f"{study_uid}.1.1",
        )
        form.add_field("file", content, filename="secret name.dcm")
        url = f"{self._url}/api/files"
        async with self._client.session.post(url, data=form, params=params, headers=sender.headers) as answer:
            file_id: str = (await answer.json())["files"][0]["id"]
        self._client.headers = sender.headers
        await self._client.ended(file_id)
        return file_id, study_uid

    async def everybody(self) -> dict[str, Caller]:
        """By the names of the table."""
        groups = await self.call("GET", "/api/auth/groups?limit=200")
        ready_made = {one["name"]: one["id"] for one in groups["groups"]}
        uploader = ready_made["uploader"]
        callers = {"anonymous": Caller(), "bare": await self.person("bare"), "machine": await self.machine()}
        for name in ("stranger", "owner", "viewing", "managing"):
            callers[name] = await self.person(name, uploader)
        for name in ("radiologist", "operator", "auditor", "administrator"):
            callers[name] = await self.person(name, ready_made[name])
        file_id, study_uid = await self.upload(callers["owner"])
        for caller in callers.values():
            caller.file_id, caller.study_uid = file_id, study_uid
            caller.collection = f"user:{callers['owner'].user_id}"
        for name, mode in (("viewing", "view"), ("managing", "manage")):
            share = {"grantee": {"user": callers[name].user_id}, "file_id": file_id, "mode": mode}
            await self.call("POST", "/api/shares", share, callers["owner"].headers)
        for name in ("link", "link-download"):
            callers[name] = await self.link(callers["owner"], file_id, download=name == "link-download")
            callers[name].study_uid = study_uid
            callers[name].collection = callers["owner"].collection
        for mode in ("none", "view", "manage"):
            group = await self.call(
                "POST", "/api/auth/groups", {"name": secrets.token_hex(8), "mode": "manage"}
            )
            sender = await self.person("sender", uploader, group["id"])
            file_id, study_uid = await self.upload(sender, collection=group["collection"])
            await self.call("PATCH", f"/api/auth/groups/{group['id']}", {"mode": mode})
            callers[f"member-{mode}"] = caller = await self.person(f"member-{mode}", uploader, group["id"])
            caller.file_id, caller.study_uid = file_id, study_uid
            caller.collection = group["collection"]
        return callers


def study_of(route: str, caller: Caller) -> str:
    """The study that a request to `route` is about: the caller's, or what is stored one beside it."""
    return caller.study_uid.replace(".8.", ".61.") if stores(route) else caller.study_uid


def stores(route: str) -> bool:
    """Whether it is a Store transaction."""
    return route.startswith("POST /dicom-web/")


async def body_of(session: ClientSession, url: str, route: str, caller: Caller) -> dict[str, Any]:
    """What is sent with a request to `route`, so that it gets as far as it may."""
    match route:
        case "POST /api/auth/login":
            return {"json": caller.credentials()}
        case "POST /api/auth/refresh" | "POST /api/auth/logout" | "POST /api/auth/oidc/sign-out":
            if caller.username is None:
                return {"json": {}}
            async with session.post(f"{url}/api/auth/login", json=caller.credentials()) as answer:
                return {"json": {"refresh_token": (await answer.json())["refresh_token"]}}
        case "PATCH /api/auth/me":
            return {"json": {"language": "es"}}
        case "PATCH /api/files/{id}":
            return {"json": {"collection": caller.collection}}
        case "GET /api/auth/directory":
            return {"params": {"q": "nobody"}}
        case "POST /api/shares":
            return {"json": {"grantee": {"user": 999999}, "file_id": caller.file_id, "mode": "view"}}
        case "POST /api/links":
            return {"json": {"file_id": caller.file_id, "seconds": 60}}
        case "GET /api/shares":
            return {"params": {"by": "me"}}
        case "POST /api/files":
            form = FormData()
            form.add_field("file", ct_instance(seed=1), filename="a.dcm")
            return {"data": form}
        case _ if stores(route):
            # Each an instance of its own, of the study that the path names.
            uid = f"{UID_ROOT}.6.{secrets.randbelow(10**9)}"
            content = ct_instance(seed=1, sop_instance_uid=uid, StudyInstanceUID=study_of(route, caller))
            return {"data": BytesPayload(content, content_type="application/dicom")}
    return {}


def path_of(route: str, caller: Caller) -> str:
    """The path of `route` with the caller's file, and ids of nothing."""
    path = route.split(" ")[1].replace("{id}", caller.file_id).replace("{file_id}", caller.file_id)
    path = path.replace("{number}", "1").replace("{frames}", "1")
    path = path.replace("/bulkdata/{path}", "/bulkdata/7FE00010")
    path = path.replace("{series_uid}", f"{caller.study_uid}.1")
    path = path.replace("{instance_uid}", f"{caller.study_uid}.1.1")
    path = path.replace("{study_uid}", study_of(route, caller)).replace("{collection}", caller.collection)
    path = path.replace("{version}", "x").replace("{path}", "app/main.js" if "static" in path else "")
    return re.sub(r"\{[a-z_]+\}", "999999", path)


AUDITED = {("auditor", "GET /api/auth/audit"), ("auditor", "GET /api/auth/audit/export")}
"""Who learns there who asked for which ids, also of what they may not see."""


@pytest.fixture
def rules(settings: dict[str, Any]) -> dict[str, AuditRule]:
    """How each route's requests are noted for the audit log."""
    app = allinone.create({**settings, "amqp_url": None}, None)
    return {
        f"{route.method} {route.resource.canonical}": app[AUDIT_RULES][route.handler]
        for route in app.router.routes()
        if route.resource is not None and route.handler in app[AUDIT_RULES]
    }


UNSEEN = {
    "GET /livez": "no rule",
    "GET /readyz": "no rule",
    "GET /metrics": "no rule",
    "GET /api/auth/openapi.json": "no rule",
    "GET /api/results/openapi.json": "no rule",
    "GET /api/files/openapi.json": "no rule",
    "GET /api/files/dicom-web/openapi.json": "no rule",
    "GET /api/peers/openapi.json": "no rule",
    "GET /dicom-web/openapi.json": "no rule",
    "OPTIONS /dicom-web": "refusals",
    "OPTIONS /dicom-web/": "refusals",
    "OPTIONS /dicom-web/collections/{collection}": "refusals",
    "OPTIONS /dicom-web/collections/{collection}/": "refusals",
    "GET /dicom-web": "refusals",
    "GET /dicom-web/": "refusals",
    "GET /dicom-web/collections/{collection}": "refusals",
    "GET /dicom-web/collections/{collection}/": "refusals",
    "GET /static/{version}/{path}": "no rule",
    "GET /favicon.svg": "no rule",
    "GET /{path}": "no rule",
    "GET /api/auth/jwks.json": "never",
    "GET /api/auth/revocations.json": "never",
    "GET /api/auth/.well-known/openid-configuration": "never",
    "GET /api/auth/oauth/jwks.json": "never",
    "GET /api/auth/oauth/authorize": "refusals",
    "POST /api/auth/oauth/authorize": "refusals",
    "POST /api/auth/oauth/token": "refusals",
    "POST /api/auth/oauth/revoke": "refusals",
    "GET /api/auth/oauth/userinfo": "refusals",
    "POST /api/auth/oauth/userinfo": "refusals",
    "GET /api/auth/oauth/end-session": "refusals",
    "POST /api/auth/oauth/end-session": "refusals",
    "GET /api/auth/oidc": "never",
    "GET /api/auth/oidc/{provider}/sign-in": "refusals",
    "GET /api/auth/me/identities": "refusals",
    "POST /api/auth/refresh": "refusals",
    "GET /api/auth/me": "refusals",
    "GET /api/auth/totp": "refusals",
    "GET /api/auth/directory": "refusals",
    "GET /api/files/limits": "refusals",
    "GET /api/results/summary": "refusals",
    "GET /api/results/facets": "refusals",
    "GET /api/results/{file_id}/neighbours": "refusals",
    "GET /api/results/actions/{job_id}": "refusals",
    "GET /api/studies/facets": "refusals",
    "GET /api/changes": "refusals",
    "GET /api/links/session": "refusals",
    "GET /api/processing/workers": "refusals",
    "GET /api/processing/dead": "refusals",
    "GET /api/processing/jobs": "refusals",
    "GET /api/processing/jobs/{job_id}": "refusals",
    "GET /api/processing/queues": "refusals",
    "GET /api/results/{file_id}/thumbnail": "together",
    "GET /api/results/{file_id}/frames/{number}": "visit",
    "GET /api/series/{series_uid}/stack": "visit",
    **{
        route: "together"
        for route in TABLE
        if route.startswith("GET /dicom-web")
        and re.search("/(frames|bulkdata)/|(rendered|thumbnail)$", route)
    },
}
"""Whatever leaves no entry of its own where it succeeds: what shows no file's content and changes nothing."""


def test_nothing_else_leaves_no_entry(settings: dict[str, Any], rules: dict[str, AuditRule]) -> None:
    app = allinone.create({**settings, "amqp_url": None}, None)
    found = {route: rules[route].audited if route in rules else "no rule" for route in routes_of(app)}
    assert {route: audited for route, audited in found.items() if audited != "always"} == UNSEEN


def noted(rule: AuditRule | None, status: int) -> list[tuple[str, str]]:
    """Action and ending of the entries that one request leaves."""
    ending = "error" if status >= 500 else "refused" if status >= 400 else "success"
    if rule is None or rule.audited == "never" or (rule.audited == "refusals" and ending == "success"):
        return []
    return [(rule.action, ending)]


def about(route: str, caller: Caller, status: int) -> tuple[set[str], set[str]]:
    """The objects, and the studies that an entry of this request names, at least."""
    reads = route.startswith(("GET", "HEAD")) and status < 400
    files = {caller.file_id} if "{file_id}" in route or "/files/{id}" in route else set()
    return files, {study_of(route, caller)} if "{study_uid}" in route or (files and reads) else set()


async def entries_by_trace(
    system: System, traces: Collection[str], count: int
) -> dict[str, list[asyncpg.Record]]:
    """What the audit log has of these requests, once it has `count` entries of them."""
    found: dict[str, list[asyncpg.Record]] = {trace: [] for trace in traces}
    connection = await asyncpg.connect(system.database_url("auth"))
    try:

        async def all_sealed() -> bool:
            rows = await connection.fetch(
                "SELECT trace_id, action, ending, objects, studies FROM auth.audit_log "
                "WHERE trace_id = ANY ($1) ORDER BY seq",
                list(traces),
            )
            for entries in found.values():
                entries.clear()
            for row in rows:
                found[row["trace_id"]].append(row)
            return len(rows) >= count

        with suppress(AssertionError):
            await eventually(all_sealed)
    finally:
        await connection.close()
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_every_route_answers_everybody_as_the_table_says(
    system: System, rules: dict[str, AuditRule]
) -> None:
    expected: dict[str, list[tuple[str, str]]] = {}
    subjects: dict[str, tuple[set[str], set[str]]] = {}
    async with client_of(system.urls) as client:
        session, url = client.session, system.urls["portal"]
        await client.login()
        callers = await Cast(client, url).everybody()
        assert set(callers) == set(CALLERS)
        sees_nothing = {"anonymous", "bare", "stranger", "member-none", "operator", "auditor", "machine"}

        async def ask(route: str, name: str) -> int:
            caller = callers[name]
            sent = await body_of(session, url, route, caller)
            sent["params"] = {**sent.get("params", {}), **caller.params}
            method, target = route.split(" ")[0], url + path_of(route, caller)
            trace = secrets.token_hex(16)
            headers = {**caller.headers, "traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
            async with session.request(method, target, headers=headers, **sent) as answer:
                expected[trace] = noted(rules.get(route), answer.status)
                subjects[trace] = about(route, caller, answer.status)
                shown = answer.content_type != "text/event-stream" and await answer.text(errors="replace")
                if shown and name in sees_nothing and (name, route) not in AUDITED:
                    assert caller.file_id not in shown, route
                    assert caller.study_uid not in shown, route
                    assert "secret name" not in shown, route
                return answer.status

        for route, rule in TABLE.items():
            found = {name: await ask(route, name) for name in CALLERS}
            assert found == {name: rule.of(name) for name in CALLERS}, route
    # Nothing is done unseen: each of these requests has left exactly its entry in the audit log.
    count = sum(map(len, expected.values()))
    entries = await entries_by_trace(system, expected, count)
    told = {trace: [(one["action"], one["ending"]) for one in found] for trace, found in entries.items()}
    assert told == expected
    # It names what was asked for: who saw a study, and who tried to, is one query.
    missing = [
        (one["action"], one["ending"], subjects[trace])
        for trace, found in entries.items()
        for one in found
        if not (subjects[trace][0] <= {*one["objects"]} and subjects[trace][1] <= {*one["studies"]})
    ]
    assert missing == []
