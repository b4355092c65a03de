"""Accounts, groups and permissions over HTTP on a real PostgreSQL: who may change whose access."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from libs.common.database.postgres import Connection
from libs.common.permissions import PERMISSIONS
from tests.auth_support import Client, Start, bearer, sign_in

PASSWORD = "four unrelated words here"
OTHER = "another phrase of some words"


class Api:
    """The auth service as one account sees it."""

    def __init__(self, client: Client, token: str) -> None:
        self.client = client
        self.headers = bearer(token)

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON body of an answer."""
        response = await self.client.request(method, f"/api/auth{path}", json=body, headers=self.headers)
        return response.status, None if response.status == 204 else await response.json()

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON body of a success."""
        status, found = await self.call(method, path, body)
        assert status in (200, 201, 204), found
        return found

    async def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and code of a refusal."""
        status, found = await self.call(method, path, body)
        assert status >= 400, found
        return status, found["code"]

    async def as_user(self, name: str, password: str = PASSWORD) -> Api:
        """The same service as somebody else."""
        found = await sign_in(self.client, username=name, password=password)
        return Api(self.client, found["access_token"])


@pytest.fixture
async def admin(start_auth: Start) -> Api:
    """The first administrator, a superuser."""
    client = await start_auth()
    return Api(client, (await sign_in(client))["access_token"])


async def make(admin: Api, name: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = await admin.done(
        "POST", "/users", {"username": name, "password": PASSWORD, "must_change_password": False, **more}
    )
    return found


async def group_id(admin: Api, name: str) -> int:
    found: int = next(g["id"] for g in (await admin.done("GET", "/groups"))["groups"] if g["name"] == name)
    return found


@pytest.mark.parametrize("group", [-1, 0, 2**31 - 1, 2**31, 2**63])
async def test_no_group_has_an_id_that_no_database_keeps(admin: Api, group: int) -> None:
    new, groups = {"username": "ana", "password": PASSWORD}, {"groups": [group]}
    ana = await make(admin, "eve")
    for method, path, body in (
        ("POST", "/users", {**new, **groups}),
        ("PATCH", f"/users/{ana['id']}", groups),
        ("POST", "/service-accounts", {"username": "pacs", **groups}),
    ):
        assert await admin.refused(method, path, body) == (400, "invalid-request"), path


async def test_an_account_is_made_listed_changed_and_deleted(admin: Api, sql: Connection) -> None:
    made = await make(
        admin,
        "ana",
        first_name="Ana",
        last_name="Núñez",
        email="ana@example.org",
        must_change_password=True,
    )
    assert [group["name"] for group in made["groups"]] == ["uploader"]
    assert (made["is_staff"], made["is_superuser"], made["must_change_password"]) == (False, False, True)
    assert "password" not in made
    listed = await admin.done("GET", "/users?q=NÚÑ")
    assert [user["username"] for user in listed["users"]] == ["ana"]
    changed = await admin.done("PATCH", f"/users/{made['id']}", {"last_name": "Ruiz", "language": "es"})
    assert (changed["last_name"], changed["language"], changed["first_name"]) == ("Ruiz", "es", "Ana")
    await admin.done("DELETE", f"/users/{made['id']}")
    assert await admin.refused("GET", f"/users/{made['id']}") == (404, "not-found")
    flags = await sql.fetch("SELECT action_flag, object_repr FROM auth.admin_log ORDER BY id")
    assert [(row["action_flag"], row["object_repr"]) for row in flags] == [(1, "ana"), (2, "ana"), (3, "ana")]


async def test_pages_of_accounts_hold_everybody_once(admin: Api, sql: Connection) -> None:
    await sql.execute(
        "INSERT INTO auth.auth_user (username, password)"
        " SELECT 'User' || n, '!' FROM generate_series(1, 25) AS n"
    )
    names: list[str] = []
    path = "/users?limit=7"
    while path:
        page = await admin.done("GET", path)
        names += [user["username"] for user in page["users"]]
        path = f"/users?limit=7&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert len(names) == len(set(names)) == 26
    assert names == sorted(names, key=str.lower)
    assert await admin.refused("GET", "/users?cursor=nonsense") == (400, "invalid-request")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password-too-short"),
        ("password1234", "password-common"),
        ("PASSWORD1234", "password-common"),
        ("qwertyuiop12", "password-common"),
        ("berta1234567", "password-like-name"),
        ("aaaaaaaaaaaaaa", "password-common"),
        ("ababababababab", "password-repetitive"),
        ("x" * 1025, "invalid-request"),
    ],
)
async def test_weak_passwords_are_refused(admin: Api, password: str, code: str) -> None:
    refused = await admin.refused("POST", "/users", {"username": "berta", "password": password})
    assert refused == (400, code)


async def test_a_file_owner_is_deactivated_not_deleted(admin: Api, sql: Connection) -> None:
    made = await make(admin, "ana")
    await sql.execute(
        "INSERT INTO ingest.upload_dicomfile (id, file, file_name, owner_id, size_bytes, sha256,"
        " sop_class_uid, sop_instance_uid, transfer_syntax_uid)"
        " VALUES ($1, 'x', 'x', $2, 1, $3, '1', '1', '1')",
        uuid4(),
        made["id"],
        "0" * 64,
    )
    assert await admin.refused("DELETE", f"/users/{made['id']}") == (409, "owns-files")
    await admin.done("PATCH", f"/users/{made['id']}", {"is_active": False})
    response = await admin.client.post("/api/auth/login", json={"username": "ana", "password": PASSWORD})
    assert response.status == 401


async def test_nobody_gives_what_they_do_not_have(admin: Api) -> None:
    boss = await make(admin, "boss", permissions=["view_user", "add_user", "change_user", "view_group"])
    ana = await make(admin, "ana")
    as_boss = await admin.as_user("boss")
    target = f"/users/{ana['id']}"
    forbidden = (403, "permission-denied")
    assert await as_boss.refused("PATCH", target, {"permissions": ["replay_deadletter"]}) == forbidden
    assert await as_boss.refused("PATCH", target, {"is_superuser": True}) == forbidden
    assert await as_boss.refused("PATCH", target, {"is_staff": True}) == forbidden
    everything = await group_id(admin, "administrator")
    assert await as_boss.refused("PATCH", target, {"groups": [everything]}) == forbidden
    new = {"username": "eve", "password": PASSWORD}
    assert await as_boss.refused("POST", "/users", {**new, "is_superuser": True}) == forbidden
    assert await as_boss.refused("POST", "/users", {**new, "groups": [everything]}) == forbidden
    assert await as_boss.refused("POST", "/users", {**new, "permissions": ["view_entry"]}) == forbidden
    given = await as_boss.done("PATCH", target, {"permissions": ["view_user"]})
    assert given["permissions"] == ["view_user"]
    # Nor what is above them.
    assert await as_boss.refused("PATCH", "/users/1", {"email": "x@example.org"}) == forbidden
    assert await as_boss.refused("PUT", "/users/1/password", {"password": OTHER}) == forbidden
    # Nor themselves upwards.
    own = f"/users/{boss['id']}"
    changes: tuple[dict[str, Any], ...] = (
        {"permissions": ["view_user"]},
        {"groups": []},
        {"is_staff": True},
        {"is_active": True},
    )
    for change in changes:
        assert await as_boss.refused("PATCH", own, change) == forbidden
    assert await as_boss.refused("PUT", f"{own}/password", {"password": OTHER}) == forbidden
    assert await as_boss.refused("POST", "/groups", {"name": "mine"}) == forbidden


async def test_a_closed_collection_is_opened_by_nobody_who_is_outside(admin: Api) -> None:
    heart = await admin.done("POST", "/groups", {"name": "heart", "mode": "view"})
    await make(admin, "boss", permissions=["add_user", "change_user"])
    as_boss = await admin.as_user("boss")
    new = {"username": "eve", "password": PASSWORD, "groups": [heart["id"]]}
    assert await as_boss.refused("POST", "/users", new) == (403, "permission-denied")
    made = await admin.done("POST", "/users", new)
    assert [group["name"] for group in made["groups"]] == ["heart"]
    me = await (await admin.as_user("eve")).done("GET", "/me")
    assert me["collections"] == {f"user:{made['id']}": "manage", heart["collection"]: "view"}


async def test_the_last_superuser_stays(admin: Api) -> None:
    second = await make(admin, "second", is_superuser=True)
    as_second = await admin.as_user("second")
    await as_second.done("PATCH", "/users/1", {"is_superuser": False})
    # What is left of the first administrator may not touch the second one, nor may that one resign.
    assert await admin.refused("PATCH", f"/users/{second['id']}", {"is_superuser": False}) == (
        403,
        "permission-denied",
    )
    assert (await as_second.refused("DELETE", f"/users/{second['id']}"))[0] == 403


async def test_groups_are_made_changed_and_deleted(admin: Api) -> None:
    made = await admin.done("POST", "/groups", {"name": "Corazón", "permissions": ["view_job"]})
    assert made["collection"] == f"group:{made['id']}"
    assert await admin.refused("POST", "/groups", {"name": "Corazón"}) == (409, "name-taken")
    ana = await make(admin, "ana", groups=[made["id"]])
    as_ana = await admin.as_user("ana")
    assert (await as_ana.done("GET", "/me"))["permissions"] == ["view_job"]
    changed = await admin.done("PATCH", f"/groups/{made['id']}", {"mode": "manage", "permissions": []})
    assert (changed["mode"], changed["permissions"], changed["members"]) == ("manage", [], 1)
    assert (await as_ana.done("GET", "/me"))["collections"][made["collection"]] == "manage"
    assert await admin.refused("PATCH", f"/groups/{made['id']}", {"permissions": ["fly"]}) == (
        400,
        "invalid-request",
    )
    await admin.done("DELETE", f"/groups/{made['id']}")
    assert (await admin.done("GET", f"/users/{ana['id']}"))["groups"] == []


async def test_pages_of_groups_hold_every_group_once(admin: Api, sql: Connection) -> None:
    await sql.execute(
        "INSERT INTO auth.auth_group (name) SELECT 'Ward ' || n FROM generate_series(1, 25) AS n"
    )
    for search, count in (("", 30), ("&q=WARD", 25)):
        names, cursor = [], ""
        while cursor is not None:
            page = await admin.done("GET", f"/groups?limit=7{search}{cursor and '&cursor=' + cursor}")
            names += [group["name"] for group in page["groups"]]
            cursor = page["next_cursor"]
        assert (len(names), names) == (count, sorted(set(names)))


async def test_the_table_of_permissions_is_that_of_the_code(admin: Api) -> None:
    listed = (await admin.done("GET", "/permissions"))["permissions"]
    assert sorted(entry["codename"] for entry in listed) == sorted(PERMISSIONS)
    everybody = {"uploader", "radiologist", "operator", "auditor", "administrator"}
    assert everybody <= {group["name"] for group in (await admin.done("GET", "/groups"))["groups"]}


async def test_people_change_their_own_profile_and_password(admin: Api) -> None:
    ana = await make(admin, "ana")
    as_ana = await admin.as_user("ana")
    elsewhere = await sign_in(admin.client, username="ana", password=PASSWORD)
    changed = await as_ana.done("PATCH", "/me", {"first_name": "Ana", "language": "en"})
    assert (changed["first_name"], changed["language"]) == ("Ana", "en")
    assert await as_ana.refused("PATCH", "/me", {"default_collection": "group:1"}) == (400, "invalid-request")
    assert await as_ana.refused("PATCH", "/me", {"is_staff": True}) == (400, "invalid-request")
    wrong = {"current_password": OTHER, "new_password": OTHER}
    assert await as_ana.refused("PUT", "/me/password", wrong) == (401, "wrong-credentials")
    right = {"current_password": PASSWORD, "new_password": OTHER}
    await as_ana.done("PUT", "/me/password", right)
    response = await admin.client.post(
        "/api/auth/refresh", json={"refresh_token": elsewhere["refresh_token"]}
    )
    assert response.status == 401
    again = await admin.as_user("ana", OTHER)
    assert (await again.done("GET", "/me"))["must_change_password"] is False
    assert (await again.done("GET", "/me"))["user_id"] == ana["id"]


async def test_the_directory_tells_names_and_nothing_else(admin: Api) -> None:
    ana = await make(admin, "ana", first_name="Ana", last_name="Núñez", email="ana@example.org")
    as_ana = await admin.as_user("ana")
    entries = (await as_ana.done("GET", "/directory?q=núñ"))["entries"]
    assert entries == [{"kind": "user", "id": ana["id"], "name": "ana", "full_name": "Ana Núñez"}]
    entries = (await as_ana.done("GET", f"/directory?users=1,{ana['id']},999&groups=1"))["entries"]
    assert [(entry["kind"], entry["id"]) for entry in entries] == [
        ("group", 1),
        ("user", 1),
        ("user", ana["id"]),
    ]
    assert await as_ana.refused("GET", "/directory") == (400, "invalid-request")
    assert await as_ana.refused("GET", "/users") == (403, "permission-denied")
    assert (await as_ana.done("GET", "/directory?users=4383835690"))["entries"] == []
