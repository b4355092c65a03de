"""Lists of accounts, groups and permissions as administrators ask for them, on a real PostgreSQL."""

from __future__ import annotations

import pytest

from libs.common.database.postgres import Connection
from libs.common.permissions import PERMISSIONS
from tests.auth_support import Start, sign_in
from tests.integration.test_identity import Api, group_id, make


@pytest.fixture
async def admin(start_auth: Start) -> Api:
    """The first administrator, a superuser."""
    client = await start_auth()
    return Api(client, (await sign_in(client))["access_token"])


MANY = """
    INSERT INTO auth.auth_user (username, password, last_login, date_joined, is_active)
    SELECT 'User' || n, '!',
        CASE WHEN n % 3 > 0 THEN timestamptz '2026-01-01T00:00:00.123456Z' + n % 5 * interval '1 day' END,
        timestamptz '2025-01-01Z' + n % 4 * interval '1 day', n % 2 = 0
    FROM generate_series(1, 25) AS n
"""


@pytest.mark.parametrize("name", ["username", "last_login", "date_joined"])
async def test_pages_hold_everybody_once_in_every_order(admin: Api, sql: Connection, name: str) -> None:
    await sql.execute(MANY)
    for sort in (name, f"-{name}"):
        names: list[str] = []
        path = f"/users?limit=7&sort={sort}"
        while path:
            page = await admin.done("GET", path)
            assert page["total"] == 26
            names += [user["username"] for user in page["users"]]
            cursor = page["next_cursor"]
            path = cursor and f"/users?limit=7&sort={sort}&cursor={cursor}"
        key = {"username": "lower(username)"}.get(name, f"coalesce({name}, '-infinity')")
        way = "DESC" if sort.startswith("-") else "ASC"
        wanted = await sql.fetch(f"SELECT username FROM auth.auth_user ORDER BY {key} {way}, id {way}")
        assert names == [row["username"] for row in wanted], sort


async def test_a_cursor_is_of_one_order(admin: Api, sql: Connection) -> None:
    await sql.execute(MANY)
    cursor = (await admin.done("GET", "/users?limit=1&sort=-last_login"))["next_cursor"]
    for query in (f"sort=last_login&cursor={cursor}", f"cursor={cursor}", "cursor=dXNlcm5hbWUgMCB4"):
        assert await admin.refused("GET", f"/users?{query}") == (400, "invalid-request"), query


async def test_filters_narrow_the_list_and_its_count(admin: Api, sql: Connection) -> None:
    await sql.execute(MANY)
    ana = await make(admin, "ana", is_staff=True)
    await admin.done("POST", "/service-accounts", {"username": "pacs"})
    await sql.execute(
        "INSERT INTO auth.totp (id, user_id, key_reference, seed, confirmed_at)"
        " VALUES (gen_random_uuid(), $1, 'k', 'x', now())",
        ana["id"],
    )
    for query, found in (
        ("is_active=false", 13),
        ("is_staff=true&is_superuser=false", 1),
        ("is_superuser=true", 1),
        ("kind=service", 1),
        ("second_factor=true", 1),
        ("second_factor=false", 27),
        ("q=USER1&is_active=true", 5),
    ):
        page = await admin.done("GET", f"/users?limit=500&{query}")
        assert (page["total"], len(page["users"])) == (found, found), query
    assert (await admin.done("GET", f"/users/{ana['id']}"))["second_factor"] is True
    assert (await admin.done("GET", "/groups?q=er&limit=1"))["total"] == 2


async def test_a_permission_tells_who_has_it(admin: Api) -> None:
    ana = await make(admin, "ana", permissions=["view_user"])
    listed = {p["codename"]: p for p in (await admin.done("GET", "/permissions"))["permissions"]}
    assert listed.keys() == set(PERMISSIONS)
    assert (listed["view_user"]["groups"], listed["view_user"]["users"]) == (2, 1)
    found = await admin.done("GET", "/permissions/view_user")
    assert [group["name"] for group in found["held_by_groups"]] == ["administrator", "auditor"]
    assert found["held_by_users"] == [{"id": ana["id"], "name": "ana"}]
    for codename in ("view_nothing", "VIEW_USER", "a%00b"):
        assert await admin.refused("GET", f"/permissions/{codename}") == (404, "not-found"), codename


async def test_the_history_of_one_object(admin: Api) -> None:
    ana, eve = await make(admin, "ana"), await make(admin, "eve")
    await admin.done("PATCH", f"/users/{ana['id']}", {"first_name": "Ana"})
    group = await admin.done("POST", "/groups", {"name": f"of {ana['id']}"})
    entries = (await admin.done("GET", f"/admin-log?model=user&object={ana['id']}"))["entries"]
    assert [(entry["action_flag"], entry["object_repr"]) for entry in entries] == [(2, "ana"), (1, "ana")]
    assert "first_name" in entries[0]["change_message"]
    entries = (await admin.done("GET", "/admin-log?model=user"))["entries"]
    assert [entry["object_id"] for entry in entries] == [str(n["id"]) for n in (ana, eve, ana)]
    assert (await admin.done("GET", f"/admin-log?model=group&object={group['id']}&user=1&limit=1"))["entries"]
    assert (await admin.done("GET", "/admin-log?model=nothing"))["entries"] == []
    assert await admin.refused("GET", "/admin-log?object=1") == (400, "invalid-request")


async def test_refusals_name_their_field(admin: Api) -> None:
    await make(admin, "ana")
    uploader = await group_id(admin, "uploader")
    new = {"username": "eve", "password": "four unrelated words here"}
    for method, path, body, code, field in (
        ("POST", "/users", {**new, "username": "ANA"}, "name-taken", "username"),
        ("POST", "/users", {**new, "username": "a b"}, "invalid-request", "username"),
        ("POST", "/users", {**new, "password": "short"}, "password-too-short", "password"),
        ("POST", "/users", {**new, "email": "nobody"}, "invalid-request", "email"),
        ("POST", "/service-accounts", {"username": "ana"}, "name-taken", "username"),
        ("POST", "/groups", {"name": "uploader"}, "name-taken", "name"),
        ("PATCH", f"/groups/{uploader}", {"name": "auditor"}, "name-taken", "name"),
    ):
        status, told = await admin.call(method, path, body)
        assert status in (400, 409)
        assert (told["code"], [error["field"] for error in told["errors"]]) == (code, [field]), (path, body)


async def test_members_come_and_go_under_the_rules_of_accounts(admin: Api, sql: Connection) -> None:
    ana = await make(admin, "ana", permissions=["change_user", "view_user"])
    eve, root = await make(admin, "eve"), await make(admin, "root", is_superuser=True)
    group = await admin.done("POST", "/groups", {"name": "readers", "mode": "view"})
    path = f"/groups/{group['id']}/members"
    for _ in range(2):
        await admin.done("PUT", f"{path}/{eve['id']}")
    found = await admin.done("GET", f"/users?group={group['id']}")
    assert [user["username"] for user in found["users"]] == ["eve"]
    assert [g["name"] for g in (await admin.done("GET", f"/users/{eve['id']}"))["groups"]] == [
        "readers",
        "uploader",
    ]
    assert await sql.fetchval("SELECT access_version FROM auth.auth_user WHERE username = 'eve'") == 2
    as_ana = await admin.as_user("ana")
    for method, refused in (("PUT", ana), ("PUT", eve), ("PUT", root), ("DELETE", root)):
        told = await as_ana.refused(method, f"{path}/{refused['id']}")
        assert told == (403, "permission-denied"), (method, refused["username"])
    await admin.done("DELETE", f"{path}/{eve['id']}")
    assert (await admin.done("GET", f"/groups/{group['id']}"))["members"] == 0
    for unknown in (f"{path}/999999", f"/groups/999999/members/{eve['id']}", f"{path}/x"):
        assert await admin.refused("PUT", unknown) == (404, "not-found"), unknown
    entries = (await admin.done("GET", f"/admin-log?model=user&object={eve['id']}"))["entries"]
    assert [entry["change_message"].count("groups") for entry in entries] == [1, 1, 1, 0]
