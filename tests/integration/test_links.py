"""Links for people without an account: what they open, to whom, and that they open nothing else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.database.postgres import Connection
from libs.common.http.authenticate import BY_LINK, GATES
from services.results.keys import DATABASE, METRICS
from services.results.links import opening
from services.results.links.keeping import sweep
from tests.links_support import COOKIE, PASSWORD, Visitor, make, present, visit
from tests.results_support import running_results
from tests.sharing_support import ANA, BEN, CAT, CHIEF, DAN, SHARING, VIEWER, Person, Sharing

PUBLIC = "https://images.example.org"


@pytest.fixture
async def sharing(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Sharing]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield Sharing(running)


def in_(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


WHATS: dict[str, Callable[[str], dict[str, Any]]] = {
    "file": lambda file_id: {"file_id": file_id},
    "series": lambda _: {"series_instance_uid": "1.2.3"},
    "study": lambda _: {"study_instance_uid": "1.2"},
}


@pytest.mark.parametrize("kind", WHATS)
@pytest.mark.parametrize("download", [False, True])
async def test_a_link_opens_what_it_is_of_and_nothing_else(
    sharing: Sharing, kind: str, download: bool
) -> None:
    file_id = await sharing.file()
    others = [
        await sharing.file(study="1.9", series="1.9.1"),
        await sharing.file("user:8"),
        await sharing.file("group:3"),
    ]
    link = await make(sharing, ANA, **WHATS[kind](file_id), download=download)
    visitor = await visit(sharing, link)
    assert await visitor.sees(file_id, download=download)
    for other in others:
        assert not await visitor.sees(other, download=download)
    assert (await visitor.ask("/api/results/summary"))["total"] == 1
    await sharing.ask(ANA, "DELETE", f"/api/links/{link['id']}", 204)
    for path in ("/api/results", f"/api/results/{file_id}", "/api/events", "/api/changes"):
        assert (await visitor.ask(path, 401))["code"] == "link-session-over"
    assert (await present(sharing, link["token"])).status == 404


@pytest.mark.parametrize("query", ["", "collection=user:8", "study=1.9", "q=slice", "state=processed"])
async def test_no_parameter_opens_more(sharing: Sharing, query: str) -> None:
    file_id = await sharing.file()
    await sharing.file("user:8", study="1.9", series="1.9.1")
    visitor = await visit(sharing, await make(sharing, ANA, file_id=file_id))
    status = 400 if query.startswith("collection") else 200
    answer = await visitor.ask(f"/api/results?{query}", status)
    assert {row["file_id"] for row in answer.get("results", [])} <= {file_id}


async def test_only_routes_that_say_so_are_open(sharing: Sharing) -> None:
    """Whatever else there is answers as to anybody, even if the visitor is signed in as well."""
    file_id = await sharing.file()
    visitor = await visit(sharing, await make(sharing, ANA, file_id=file_id, download=True))
    app = sharing.results.client.app
    assert {app[GATES][handler] for handler in app[BY_LINK]} == {"view_dicomresult", "view_dicomfile"}
    closed = [
        (route.method, re.sub(r"\{\w+\}", lambda _: str(uuid4()), route.resource.canonical))
        for route in app.router.routes()
        if route.resource is not None
        and route.handler not in app[BY_LINK]
        and app[GATES][route.handler] != "anyone"
    ]
    assert ("POST", "/api/links") in closed
    for method, path in closed:
        await visitor.ask(path, 401, method)
        await visitor.ask(path, 401, method, ANA.headers())


async def test_whoever_is_signed_in_sees_their_own_but_on_the_links_page(sharing: Sharing) -> None:
    shown, own = await sharing.file(), await sharing.file("user:8")
    visitor = await visit(sharing, await make(sharing, ANA, file_id=shown))
    by_link = await visitor.ask("/api/results", headers=BEN.headers())
    assert [row["file_id"] for row in by_link["results"]] == [shown]
    await visitor.ask(f"/api/results/{own}", 404, headers=BEN.headers())
    await visitor.ask(f"/api/results/{own}", 404, headers=CHIEF.headers())
    client = sharing.results.client
    async with client.get("/api/results", headers=visitor.headers(**BEN.headers())) as answer:
        assert [row["file_id"] for row in (await answer.json())["results"]] == [own]
    async with client.get("/api/results", headers=visitor.headers()) as answer:
        assert answer.status == 401, "nothing is opened by a link that nobody asked for"


async def test_what_opens_is_told_once_and_kept_as_a_hash(sharing: Sharing, sql: Connection) -> None:
    file_id = await sharing.file()
    link = await make(sharing, ANA, file_id=file_id, password=PASSWORD)
    token = link["token"]
    assert token.startswith("dpl_")
    assert len(token) >= 4 + 43
    assert link["url"].endswith(f"/s/{token}")
    visitor = await visit(sharing, link, PASSWORD)
    [row] = await sql.fetch("SELECT * FROM results.link")
    assert row["token_hash"] == hashlib.sha256(token.encode()).digest()
    assert row["password_hash"].startswith("$argon2id$")
    assert await sql.fetchval("SELECT hash FROM results.link_session") == (
        hashlib.sha256(visitor.session.encode()).digest()
    )
    tables = ("link", "link_session", "link_failure", "share")
    rows = [await sql.fetch(f"SELECT * FROM results.{table}") for table in tables]
    everything = str([[dict(row) for row in table] for table in rows])
    for secret in (token, visitor.session, PASSWORD):
        assert secret not in everything
    [listed] = (await sharing.ask(ANA, "GET", "/api/links"))["links"]
    assert listed.keys() == link.keys() - {"token", "url"}
    assert listed["password"] is True


async def test_a_password_is_asked_for_with_the_patients_initials(sharing: Sharing, sql: Connection) -> None:
    file_id = await sharing.file()
    await sql.execute("UPDATE results.upload_dicomresult SET patient_name = 'GARCIA^MARIA'")
    for what in WHATS.values():
        link = await make(sharing, ANA, **what(file_id), password=PASSWORD)
        answer = await present(sharing, link["token"])
        problem = await answer.json()
        assert (answer.status, problem["code"]) == (401, "link-password-required")
        assert problem["initials"] == "M. G."
        assert "GARCIA" not in str(problem)


async def test_openings_are_counted_and_tell_nothing_of_the_maker(sharing: Sharing) -> None:
    file_id = await sharing.file()
    link = await make(sharing, ANA, study_instance_uid="1.2", reason="for Dr House", seconds=3600)
    assert (link["opened"], link["last_opened_at"]) == (0, None)
    visitor = await visit(sharing, link)
    await visit(sharing, link)
    opened = await visitor.ask("/api/links/session")
    assert opened == {
        "kind": "study",
        "file_id": None,
        "study_instance_uid": "1.2",
        "series_instance_uid": None,
        "download": False,
        "expires_at": link["expires_at"],
        "session_expires_at": opened["session_expires_at"],
    }
    [listed] = (await sharing.ask(ANA, "GET", f"/api/links?file_id={file_id}"))["links"]
    assert listed["opened"] == 2
    assert listed["last_opened_at"] is not None


async def test_a_session_lasts_an_hour_at_most_and_never_longer_than_its_link(
    sharing: Sharing, sql: Connection
) -> None:
    file_id = await sharing.file()
    now = datetime.now(UTC)
    for seconds, least, most in ((600, 590, 600), (86_400, 3590, 3600)):
        link = await make(sharing, ANA, file_id=file_id, seconds=seconds)
        answer = await present(sharing, link["token"])
        ends = datetime.fromisoformat((await answer.json())["session_expires_at"])
        assert timedelta(seconds=least) <= ends - now <= timedelta(seconds=most + 60)
        assert least - 60 <= int(answer.cookies[COOKIE]["max-age"]) <= most
    visitor = Visitor(sharing, answer.cookies[COOKIE].value)
    await visitor.ask("/api/results")
    await sql.execute("UPDATE results.link_session SET expires_at = now()")
    await visitor.ask("/api/results", 401)
    assert (await present(sharing, link["token"])).status == 200


async def test_a_link_is_open_in_so_many_browsers_and_no_more(
    sharing: Sharing, monkeypatch: pytest.MonkeyPatch, sql: Connection
) -> None:
    monkeypatch.setattr(opening, "MOST_SESSIONS", 2)
    link, other = [await make(sharing, ANA, file_id=await sharing.file()) for _ in range(2)]
    elsewhere = await visit(sharing, other)
    visitors = [await visit(sharing, link) for _ in range(4)]
    for visitor, status in zip((elsewhere, *visitors), (200, 401, 401, 200, 200), strict=True):
        await visitor.ask("/api/results", status)
    assert await sql.fetchval("SELECT count(*) FROM results.link_session") == 3


async def test_a_link_that_ends_ends_what_is_open(sharing: Sharing, sql: Connection) -> None:
    file_id = await sharing.file()
    link = await make(sharing, ANA, file_id=file_id)
    visitor = await visit(sharing, link)
    await sql.execute("UPDATE results.share SET until = now()")
    await visitor.ask("/api/results", 401)
    assert (await present(sharing, link["token"])).status == 404
    assert (await sharing.ask(ANA, "GET", "/api/links"))["links"] == []


async def test_unknown_expired_revoked_and_erased_answer_alike(sharing: Sharing, sql: Connection) -> None:
    files = [await sharing.file() for _ in range(3)]
    expired, revoked, erased = [await make(sharing, ANA, file_id=file_id) for file_id in files]
    with_password = await make(sharing, ANA, study_instance_uid="1.2", password=PASSWORD)
    await sql.execute("UPDATE results.share SET until = now() WHERE file_id = $1", UUID(files[0]))
    for link in (revoked, with_password):
        await sharing.ask(ANA, "DELETE", f"/api/links/{link['id']}", 204)
    await sql.execute(
        "UPDATE results.upload_dicomresult SET state = 'erased' WHERE file_id = $1", UUID(files[2])
    )
    answers = []
    for token in ("dpl_" + "x" * 43, "nonsense", *(link["token"] for link in (expired, revoked, erased))):
        answers.append(await present(sharing, token))
    answers.append(await present(sharing, with_password["token"], PASSWORD))
    answers.append(await present(sharing, with_password["token"]))
    bodies = [{**await answer.json(), "trace_id": ""} for answer in answers]
    assert {answer.status for answer in answers} == {404}
    assert all(body == bodies[0] for body in bodies)


async def test_a_password_is_asked_for_by_whoever_has_the_token(sharing: Sharing) -> None:
    file_id = await sharing.file()
    link = await make(sharing, ANA, file_id=file_id, password=PASSWORD)
    for password, code in ((None, "link-password-required"), ("under the six elms", "wrong-password")):
        answer = await present(sharing, link["token"], password)
        assert (answer.status, (await answer.json())["code"]) == (401, code)
        assert not answer.cookies
    assert await (await visit(sharing, link, PASSWORD)).sees(file_id)


async def test_the_cookie_is_for_this_site_alone(role_url: Callable[[str], str], tmp_path: Path) -> None:
    async with running_results(role_url("results"), tmp_path, public_url=PUBLIC) as running:
        sharing = Sharing(running)
        file_id = await sharing.file()
        link = await make(sharing, ANA, file_id=file_id)
        assert link["url"] == f"{PUBLIC}/s/{link['token']}"
        answer = await present(sharing, link["token"], Origin=PUBLIC)
        cookie = answer.cookies[f"__Host-{COOKIE}"]
        assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Strict")
        assert cookie["secure"]
        assert cookie["httponly"]
        assert answer.headers["Cache-Control"] == "no-store"
        # What any host of the domain may plant counts for nothing.
        for name, status in ((COOKIE, 401), (f"__Host-{COOKIE}", 200)):
            headers = {"Cookie": f"{name}={cookie.value}"}
            async with running.client.get("/api/results?via=link", headers=headers) as found:
                assert found.status == status


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
async def test_a_foreign_page_opens_and_closes_nothing(sharing: Sharing, headers: dict[str, str]) -> None:
    link = await make(sharing, ANA, file_id=await sharing.file())
    assert (await present(sharing, link["token"], **headers)).status == 403
    visitor = await visit(sharing, link)
    await visitor.ask("/api/links/session", 403, "DELETE", headers)
    await visitor.ask("/api/links/session")


async def test_a_visitor_closes_the_link_in_this_browser(sharing: Sharing) -> None:
    link = await make(sharing, ANA, file_id=await sharing.file())
    visitor, other = await visit(sharing, link), await visit(sharing, link)
    await visitor.ask("/api/links/session", 204, "DELETE")
    await visitor.ask("/api/links/session", 401)
    await visitor.ask("/api/results", 401)
    await other.ask("/api/results")


async def test_neither_token_nor_session_is_an_access_token(sharing: Sharing) -> None:
    link = await make(sharing, ANA, file_id=await sharing.file())
    visitor = await visit(sharing, link)
    client = sharing.results.client
    for secret in (link["token"], visitor.session):
        for headers in (
            {"Authorization": f"Bearer {secret}"},
            {"Cookie": f"dicom_access={secret}"},
        ):
            for path in ("/api/results", "/api/links"):
                async with client.get(path, headers=headers) as answer:
                    assert answer.status == 401
    async with client.get("/api/results?via=link", headers={"Cookie": f"{COOKIE}={link['token']}"}) as answer:
        assert answer.status == 401


async def test_who_may_make_a_link(sharing: Sharing) -> None:
    file_id, in_group = await sharing.file(), await sharing.file("group:3")
    await make(sharing, BEN, 404, file_id=file_id)
    await make(sharing, BEN, 404, study_instance_uid="1.2", collection="user:7")
    await make(sharing, VIEWER, 403, file_id=in_group)
    plain = Person(7, permissions=frozenset({"view_dicomresult", "view_dicomfile"}))
    assert (await make(sharing, plain, 403, file_id=file_id))["permission"] == "share_dicomfile"
    no_files = Person(7, permissions=SHARING - {"view_dicomfile"})
    assert (await make(sharing, no_files, 403, file_id=file_id, download=True))["permission"] == (
        "view_dicomfile"
    )
    await make(sharing, no_files, file_id=file_id)
    await sharing.ask(no_files, "GET", f"/api/results/{file_id}/file", 403)


async def test_under_a_share_a_link_is_bounded_and_ends_with_it(sharing: Sharing) -> None:
    file_id = await sharing.file()
    held = await sharing.share(ANA, BEN, "manage", file_id=file_id, until=in_(days=2))
    await make(sharing, BEN, 403, file_id=file_id, seconds=3 * 86_400)
    link = await make(sharing, BEN, file_id=file_id)
    assert (link["expires_at"], link["given_under"]) == (held["until"], held["id"])
    visitor = await visit(sharing, link)
    [seen] = (await sharing.ask(ANA, "GET", f"/api/links?file_id={file_id}"))["links"]
    assert seen["id"] == link["id"]
    await sharing.take_back(ANA, held)
    await visitor.ask("/api/results", 401)
    assert (await present(sharing, link["token"])).status == 404


async def test_who_may_list_and_take_back(sharing: Sharing) -> None:
    file_id = await sharing.file()
    first, second = [await make(sharing, ANA, file_id=file_id) for _ in range(2)]
    third = await make(sharing, ANA, study_instance_uid="1.2")
    await sharing.share(ANA, BEN, file_id=file_id)

    async def listed(who: Person, query: str = "", status: int = 200) -> list[str]:
        answer = await sharing.ask(who, "GET", f"/api/links?{query}", status)
        return [link["id"] for link in answer.get("links", [])]

    newest_first = [third["id"], second["id"], first["id"]]
    assert await listed(ANA) == newest_first
    page = await sharing.ask(ANA, "GET", "/api/links?limit=2")
    assert await listed(ANA, f"cursor={page['next_cursor']}") == [first["id"]]
    assert await listed(ANA, f"file_id={file_id}") == newest_first
    assert await listed(ANA, "series_instance_uid=1.2.3") == [third["id"]]
    assert await listed(CHIEF, "study_instance_uid=1.2&collection=user:7") == newest_first
    assert await listed(BEN) == []
    assert await listed(BEN, f"file_id={file_id}", 403) == []
    assert await listed(DAN, f"file_id={file_id}", 404) == []
    # Who may read the audit log finds there what everybody gives.
    auditor = Person(30, permissions=frozenset({"view_link", "view_share", "view_entry"}))
    assert await listed(auditor, "all=true") == newest_first
    assert len((await sharing.ask(auditor, "GET", "/api/shares?all=true"))["shares"]) == 4
    for query in ("links?all=true", "shares?all=true"):
        refusal = await sharing.ask(CHIEF, "GET", f"/api/{query}", 403)
        assert refusal["permission"] == "view_entry"
        await sharing.ask(auditor, "GET", f"/api/{query}&file_id={file_id}", 400)
    for who, status in ((BEN, 404), (CAT, 404), (CHIEF, 204), (ANA, 404)):
        await sharing.ask(who, "DELETE", f"/api/links/{first['id']}", status)
    await sharing.ask(ANA, "DELETE", "/api/links/nonsense", 404)
    # It is a share as well, and whoever takes back the one takes back the other.
    [of_link] = [
        share
        for share in (await sharing.ask(ANA, "GET", "/api/shares?by=me"))["shares"]
        if share["grantee"]["link"] == second["id"]
    ]
    await sharing.take_back(ANA, of_link)
    assert await listed(ANA) == [third["id"]]


@pytest.mark.parametrize(
    "changed",
    [
        {"file_id": None},
        {"study_instance_uid": "1.2"},
        {"collection": "user:7"},
        {"seconds": 59},
        {"seconds": 31 * 86_400},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00"},
        {"seconds": 600, "expires_at": "2099-01-01T00:00:00Z"},
        {"password": "short"},
        {"password": "x" * 1025},
        {"reason": "x" * 501},
        {"mode": "manage"},
    ],
)
async def test_what_makes_no_sense_is_refused(sharing: Sharing, changed: dict[str, Any]) -> None:
    await make(sharing, ANA, 400, **{"file_id": str(uuid4()), **changed})


async def test_what_is_over_is_swept_and_the_rest_shown(sharing: Sharing, sql: Connection) -> None:
    link = await make(sharing, ANA, file_id=await sharing.file())
    visitor = await visit(sharing, link)
    await visit(sharing, link)
    await sql.execute(
        "UPDATE results.link_session SET expires_at = now() WHERE hash = $1",
        hashlib.sha256(visitor.session.encode()).digest(),
    )
    app = sharing.results.client.app
    await sweep(app[DATABASE], app[METRICS])
    assert await sql.fetchval("SELECT count(*) FROM results.link_session") == 1
    async with sharing.results.client.get("/metrics") as answer:
        text = await answer.text()
    for line in ("results_link_sessions 1.0", 'results_link_openings_total{outcome="opened"} 2.0'):
        assert f"\n{line}\n" in text
