"""Ways to more than one has: by groups, by new accounts, by machines, by what one's token still says."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from libs.common.database.postgres import Connection
from services.auth.identity.models import MOST_GROUPS
from tests.auth_support import ADMIN, Start, refresh, sign_in
from tests.integration.test_identity import OTHER, PASSWORD, Api, make
from tests.waiting import eventually

FORBIDDEN = (403, "permission-denied")


@pytest.fixture
async def admin(start_auth: Start) -> Api:
    """The first administrator, a superuser."""
    client = await start_auth()
    return Api(client, (await sign_in(client))["access_token"])


async def file_in(sql: Connection, collection: str, owner: int) -> None:
    """A file that somebody sent into a collection."""
    await sql.execute(
        "INSERT INTO ingest.upload_dicomfile (id, file, file_name, owner_id, collection, size_bytes, sha256,"
        " sop_class_uid, sop_instance_uid, transfer_syntax_uid)"
        " VALUES ($1, 'x', 'x', $2, $3, 1, $4, '1', '1', '1')",
        uuid4(),
        owner,
        collection,
        "0" * 64,
    )


async def test_staff_alone_opens_nothing(admin: Api) -> None:
    await make(admin, "ana", is_staff=True, groups=[])
    as_ana = await admin.as_user("ana")
    me = await as_ana.done("GET", "/me")
    assert (me["staff"], me["permissions"]) == (True, [])
    for method, path in (
        ("GET", "/users"),
        ("POST", "/users"),
        ("GET", "/users/1"),
        ("PATCH", "/users/1"),
        ("DELETE", "/users/1"),
        ("PUT", "/users/1/password"),
        ("GET", "/users/1/sessions"),
        ("DELETE", "/users/1/sessions"),
        ("POST", "/users/1/unlock"),
        ("GET", "/groups"),
        ("POST", "/groups"),
        ("PATCH", "/groups/1"),
        ("DELETE", "/groups/1"),
        ("GET", "/permissions"),
        ("GET", "/admin-log"),
        ("GET", "/service-accounts"),
        ("POST", "/service-accounts"),
        ("POST", "/service-accounts/1/secret"),
    ):
        assert await as_ana.refused(method, path, {}) == FORBIDDEN, path


async def test_a_group_gives_nobody_what_its_editor_lacks(admin: Api, sql: Connection) -> None:
    powers = ["view_group", "add_group", "change_group", "delete_group", "view_user", "change_user"]
    mine = await admin.done("POST", "/groups", {"name": "mine"})
    theirs = await admin.done("POST", "/groups", {"name": "theirs", "permissions": ["view_entry"]})
    boss = await make(admin, "boss", permissions=powers, groups=[mine["id"]])
    ana = await make(admin, "ana")
    as_boss = await admin.as_user("boss")
    for path, body in (
        (f"/groups/{mine['id']}", {"permissions": ["replay_deadletter"]}),
        (f"/groups/{theirs['id']}", {"permissions": ["view_entry", "export_entry"]}),
        (f"/users/{ana['id']}", {"groups": [theirs["id"]]}),
        (f"/users/{boss['id']}", {"groups": [mine["id"], theirs["id"]]}),
    ):
        assert await as_boss.refused("PATCH", path, body) == FORBIDDEN, body
    wanted = {"name": "new", "permissions": ["view_entry"]}
    assert await as_boss.refused("POST", "/groups", wanted) == FORBIDDEN
    assert await as_boss.refused("DELETE", f"/groups/{theirs['id']}") == FORBIDDEN
    # Nor is what others hold taken from them, or renamed, by somebody who may do less.
    changes: tuple[dict[str, Any], ...] = ({"permissions": []}, {"name": "ours"}, {"mode": "view"})
    for change in changes:
        assert await as_boss.refused("PATCH", f"/groups/{theirs['id']}", change) == FORBIDDEN, change
    await admin.done("PATCH", f"/groups/{theirs['id']}", {"permissions": ["view_group"]})
    kept = await as_boss.done(
        "PATCH", f"/groups/{theirs['id']}", {"permissions": ["view_group", "view_user"]}
    )
    assert kept["permissions"] == ["view_group", "view_user"]
    # Members do not open their group's files to themselves, nor others those that are closed to them.
    assert (await as_boss.refused("PATCH", f"/groups/{mine['id']}", {"mode": "view"}))[0] == 409
    await as_boss.done("PATCH", f"/groups/{theirs['id']}", {"mode": "view"})
    await file_in(sql, theirs["collection"], 1)
    assert await as_boss.refused("PATCH", f"/groups/{theirs['id']}", {"mode": "manage"}) == FORBIDDEN
    await as_boss.done("PATCH", f"/groups/{theirs['id']}", {"mode": "none"})
    assert await as_boss.refused("PATCH", f"/groups/{theirs['id']}", {"mode": "view"}) == FORBIDDEN
    await admin.done("PATCH", f"/groups/{theirs['id']}", {"mode": "manage"})
    assert await admin.refused("DELETE", f"/groups/{theirs['id']}") == (409, "holds-files")


async def test_a_new_account_has_no_more_than_its_maker(admin: Api) -> None:
    """Not even what new accounts usually have."""
    await make(admin, "boss", permissions=["add_user", "view_user"], groups=[])
    as_boss = await admin.as_user("boss")
    new = {"username": "eve", "password": PASSWORD}
    assert await as_boss.refused("POST", "/users", new) == FORBIDDEN
    made = await as_boss.done("POST", "/users", {**new, "groups": [], "permissions": ["view_user"]})
    assert (made["groups"], made["permissions"]) == ([], ["view_user"])
    assert [group["name"] for group in (await make(admin, "ana"))["groups"]] == ["uploader"]


async def test_nobody_is_let_into_a_group_that_is_closed_to_who_asks(admin: Api) -> None:
    """Not even where members see nothing: files may be shared with it."""
    closed = await admin.done("POST", "/groups", {"name": "closed"})
    managed = await admin.done("POST", "/groups", {"name": "managed", "mode": "manage"})
    uploader = next(g for g in (await admin.done("GET", "/groups"))["groups"] if g["name"] == "uploader")
    powers = ["add_user", "change_user", "view_user", "change_group", *uploader["permissions"]]
    await make(admin, "desk", permissions=powers, groups=[])
    await make(admin, "member", permissions=powers, groups=[closed["id"]])
    await make(admin, "viewer", permissions=[*powers, "view_all_dicomresult"], groups=[])
    await make(admin, "blind", permissions=[*powers, "manage_all_dicomresult"], groups=[])
    both = ["view_all_dicomresult", "manage_all_dicomresult"]
    await make(admin, "wide", permissions=[*powers, *both], groups=[])
    ana = await make(admin, "ana", groups=[])
    path = f"/users/{ana['id']}"
    for name, into_closed, into_managed in (
        ("desk", False, False),
        ("member", True, False),
        ("viewer", True, False),
        ("blind", False, False),
        ("wide", True, True),
    ):
        api = await admin.as_user(name)
        for group, may in ((closed, into_closed), (managed, into_managed)):
            status, _ = await api.call("PATCH", path, {"groups": [group["id"]]})
            assert status == (200 if may else 403), (name, group["name"])
            await admin.done("PATCH", path, {"groups": []})
    as_desk = await admin.as_user("desk")
    made = await as_desk.done("POST", "/users", {"username": "new", "password": PASSWORD})
    assert [group["name"] for group in made["groups"]] == ["uploader"]
    # Nor by making it the group that new accounts are in.
    await as_desk.done("PATCH", f"/groups/{uploader['id']}", {"name": "former"})
    assert await as_desk.refused("PATCH", f"/groups/{closed['id']}", {"name": "uploader"}) == FORBIDDEN


async def test_who_gives_a_password_or_a_secret_reaches_what_it_opens(admin: Api) -> None:
    uploader = next(g for g in (await admin.done("GET", "/groups"))["groups"] if g["name"] == "uploader")
    powers = ["change_user", "view_user", "change_serviceaccount", *uploader["permissions"]]
    await make(admin, "desk", permissions=powers, groups=[])
    await make(admin, "wide", permissions=[*powers, "view_all_dicomresult"], groups=[])
    as_desk, as_wide = await admin.as_user("desk"), await admin.as_user("wide")
    reset = {"password": OTHER, "must_change_password": False}
    for mode in ("none", "view"):
        group = await admin.done("POST", "/groups", {"name": f"closed {mode}", "mode": mode})
        ana = await make(admin, f"in-{mode}", groups=[group["id"]])
        pacs = await admin.done(
            "POST", "/service-accounts", {"username": f"pacs-{mode}", "groups": [group["id"]]}
        )
        for method, path, body in (
            ("PUT", f"/users/{ana['id']}/password", reset),
            ("POST", f"/service-accounts/{pacs['id']}/secret", None),
        ):
            assert await as_desk.refused(method, path, body) == FORBIDDEN, (mode, path)
            await as_wide.done(method, path, body)
    eve = await make(admin, "eve")
    for api, must_change in ((as_desk, True), (as_wide, False)):
        await api.done("PUT", f"/users/{eve['id']}/password", reset)
        found = await admin.done("GET", f"/users/{eve['id']}")
        assert found["must_change_password"] is must_change


async def test_the_ready_made_groups_can_be_edited(admin: Api) -> None:
    groups = {group["name"]: group for group in (await admin.done("GET", "/groups"))["groups"]}
    for name in ("uploader", "radiologist", "operator", "auditor", "administrator"):
        change = {"name": f"{name} 2", "permissions": ["view_dicomfile"], "mode": "view"}
        changed = await admin.done("PATCH", f"/groups/{groups[name]['id']}", change)
        assert (changed["name"], changed["permissions"]) == (f"{name} 2", ["view_dicomfile"])
    assert (await make(admin, "ana"))["groups"] == []


async def test_a_service_account_is_no_way_up(admin: Api) -> None:
    powers = ["view_serviceaccount", "add_serviceaccount", "change_serviceaccount", "change_user"]
    await make(admin, "boss", permissions=powers)
    as_boss = await admin.as_user("boss")
    strong = await admin.done(
        "POST", "/service-accounts", {"username": "strong", "permissions": ["view_entry"]}
    )
    weak = await as_boss.done("POST", "/service-accounts", {"username": "weak", "permissions": powers})
    assert await as_boss.refused("POST", f"/service-accounts/{strong['id']}/secret") == FORBIDDEN
    await as_boss.done("POST", f"/service-accounts/{weak['id']}/secret")
    wanted = {"username": "wide", "permissions": ["view_entry"]}
    assert await as_boss.refused("POST", "/service-accounts", wanted) == FORBIDDEN
    administrators = [g for g in (await admin.done("GET", "/groups"))["groups"] if "view_entry" in str(g)]
    wanted = {"username": "wide", "groups": [administrators[0]["id"]]}
    assert await as_boss.refused("POST", "/service-accounts", wanted) == FORBIDDEN
    # It is nobody who signs in with a password, whoever gives it one.
    for api in (as_boss, admin):
        assert await api.refused("PUT", f"/users/{weak['id']}/password", {"password": OTHER}) == (
            409,
            "no-password",
        )


async def test_a_service_account_with_a_hash_cannot_sign_in(admin: Api, sql: Connection) -> None:
    made = await admin.done("POST", "/service-accounts", {"username": "pacs"})
    await sql.execute(
        "UPDATE auth.auth_user SET password = (SELECT password FROM auth.auth_user WHERE id = 1)"
        " WHERE id = $1",
        made["id"],
    )
    body = {"username": "pacs", "password": ADMIN["password"]}
    assert (await admin.client.post("/api/auth/login", json=body)).status == 401


async def test_an_api_key_does_not_touch_its_owners_account(admin: Api) -> None:
    """Not even one that may do all that its owner may: whoever finds it must not keep the owner out."""
    session = (await admin.done("GET", "/me/sessions"))["sessions"][0]["id"]
    key = await admin.done("POST", "/me/api-keys", {"name": "wide"})
    as_key = Api(admin.client, key["key"])
    await as_key.done("GET", "/users")
    for method, path, body in (
        ("PATCH", "/me", {"email": "thief@example.org"}),
        ("PUT", "/me/password", {"current_password": ADMIN["password"], "new_password": OTHER}),
        ("GET", "/me/sessions", None),
        ("DELETE", f"/me/sessions/{session}", None),
        ("GET", "/me/api-keys", None),
        ("POST", "/me/api-keys", {"name": "another"}),
        ("DELETE", f"/me/api-keys/{key['id']}", None),
    ):
        assert await as_key.refused(method, path, body) == FORBIDDEN, path
    assert await as_key.refused("PATCH", "/users/1", {"is_staff": False}) == FORBIDDEN
    assert await as_key.refused("PUT", "/users/1/password", {"password": OTHER}) == FORBIDDEN


async def test_a_machine_makes_no_staff(admin: Api) -> None:
    await make(admin, "ana", is_staff=True, permissions=["add_user"], groups=[])
    as_ana = await admin.as_user("ana")
    key = await as_ana.done("POST", "/me/api-keys", {"name": "wide"})
    new = {"username": "eve", "password": PASSWORD, "groups": [], "is_staff": True}
    assert await Api(admin.client, key["key"]).refused("POST", "/users", new) == FORBIDDEN
    assert (await as_ana.done("POST", "/users", new))["is_staff"] is True


async def test_a_key_and_a_machine_have_no_more_than_their_owner_has_now(admin: Api) -> None:
    ana = await make(admin, "ana", permissions=["view_user"], groups=[])
    as_ana = await admin.as_user("ana")
    key = await as_ana.done("POST", "/me/api-keys", {"name": "reader", "permissions": ["view_user"]})
    await Api(admin.client, key["key"]).done("GET", "/users")
    await admin.done("PATCH", f"/users/{ana['id']}", {"permissions": []})

    async def is_closed() -> bool:
        status, _ = await Api(admin.client, key["key"]).call("GET", "/users")
        return status == 403

    await eventually(is_closed)


async def test_two_superusers_cannot_both_go(admin: Api, sql: Connection) -> None:
    second = await make(admin, "second", is_superuser=True)
    as_second = await admin.as_user("second")
    answers = await asyncio.gather(
        admin.call("PATCH", f"/users/{second['id']}", {"is_superuser": False}),
        as_second.call("PATCH", "/users/1", {"is_active": False}),
    )
    assert sorted(status for status, _ in answers)[0] == 200
    left = await sql.fetchval("SELECT count(*) FROM auth.auth_user WHERE is_superuser AND is_active")
    assert left == 1


async def test_accounts_are_locked_in_the_order_of_their_ids(admin: Api, sql: Connection) -> None:
    """Whoever waits for one account holds none that comes after it."""
    group = await admin.done("POST", "/groups", {"name": "heart"})
    first = await make(admin, "first", groups=[group["id"]])
    later = await make(admin, "later", groups=[group["id"]], is_superuser=True)
    # Where its row lies now comes after the later one's.
    await admin.done("PATCH", f"/users/{first['id']}", {"first_name": "Ana"})
    await sql.execute("VACUUM FULL auth.auth_user")
    await sql.execute("UPDATE auth.auth_user SET email = '' WHERE id = $1", first["id"])

    async def waits() -> bool:
        return bool(
            await sql.fetchval(
                "SELECT count(*) FROM pg_locks"
                " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
        )

    for method, path, body in (
        ("PATCH", f"/users/{first['id']}", {"is_staff": True}),
        ("PATCH", f"/groups/{group['id']}", {"mode": "view"}),
        ("DELETE", f"/users/{first['id']}", None),
    ):
        async with sql.transaction():
            await sql.execute("SELECT FROM auth.auth_user WHERE id = $1 FOR UPDATE", first["id"])
            call = asyncio.create_task(admin.done(method, path, body))
            await eventually(waits)
            await sql.execute("SELECT FROM auth.auth_user WHERE id = $1 FOR UPDATE NOWAIT", later["id"])
        await call


async def test_a_change_of_groups_ends_what_tokens_say(admin: Api, sql: Connection) -> None:
    """Each way to change what somebody may do makes the tokens that they hold worthless."""
    group = await admin.done("POST", "/groups", {"name": "heart", "mode": "view"})
    ana = await make(admin, "ana", groups=[group["id"]])

    async def version() -> int:
        return int(await sql.fetchval("SELECT access_version FROM auth.auth_user WHERE id = $1", ana["id"]))

    seen = await version()
    user, one = f"/users/{ana['id']}", f"/groups/{group['id']}"
    changes: tuple[tuple[str, str, Any], ...] = (
        ("PATCH", one, {"mode": "manage"}),
        ("PATCH", one, {"permissions": ["view_job"]}),
        ("PATCH", user, {"groups": []}),
        ("PATCH", user, {"groups": [group["id"]]}),
        ("PATCH", user, {"permissions": ["view_job"]}),
        ("PATCH", user, {"is_staff": True}),
        ("PATCH", user, {"is_superuser": True}),
        ("PATCH", user, {"must_change_password": True}),
        ("PUT", f"{user}/password", {"password": OTHER}),
        ("PATCH", user, {"is_active": False}),
        ("DELETE", one, None),
    )
    for method, path, body in changes:
        await admin.done(method, path, body)
        assert await version() == seen + 1, (path, body)
        seen += 1
    await admin.done("PATCH", user, {"first_name": "Ana"})
    assert await version() == seen


async def test_a_password_and_the_end_of_sessions_are_one_transaction(admin: Api, sql: Connection) -> None:
    ana = await make(admin, "ana")
    as_ana, elsewhere = (
        await admin.as_user("ana"),
        await sign_in(admin.client, username="ana", password=PASSWORD),
    )
    await sql.execute(
        """
        CREATE FUNCTION public.fails() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'disk is full'; END $$;
        CREATE TRIGGER fails BEFORE UPDATE OF revoked_at ON auth.auth_session EXECUTE FUNCTION public.fails();
        """
    )
    own = {"current_password": PASSWORD, "new_password": OTHER}
    reset = {"password": OTHER, "must_change_password": False}
    assert (await as_ana.call("PUT", "/me/password", own))[0] >= 500
    assert (await admin.call("PUT", f"/users/{ana['id']}/password", reset))[0] >= 500
    await sql.execute("DROP TRIGGER fails ON auth.auth_session")
    await admin.as_user("ana")
    await admin.done("PUT", f"/users/{ana['id']}/password", reset)
    assert (await refresh(admin.client, elsewhere["refresh_token"]))[0] == 401
    await admin.as_user("ana", OTHER)


async def test_files_of_others_in_ones_collection_keep_an_account(admin: Api, sql: Connection) -> None:
    ana = await make(admin, "ana")
    await file_in(sql, f"user:{ana['id']}", 1)
    assert await admin.refused("DELETE", f"/users/{ana['id']}") == (409, "owns-files")


async def test_a_default_collection_is_one_to_upload_to(admin: Api) -> None:
    group = await admin.done("POST", "/groups", {"name": "heart", "mode": "view"})
    ana = await make(admin, "ana", groups=[group["id"]])
    as_ana, path = await admin.as_user("ana"), f"/users/{ana['id']}"
    chosen = {"default_collection": group["collection"]}
    for api, where in ((as_ana, "/me"), (admin, path)):
        assert await api.refused("PATCH", where, chosen) == (400, "invalid-request")
        assert (await api.refused("PATCH", where, {"default_collection": "user:1"}))[0] == 400
    await admin.done("PATCH", f"/groups/{group['id']}", {"mode": "manage"})
    assert (await admin.done("PATCH", path, chosen))["default_collection"] == group["collection"]
    as_ana = await admin.as_user("ana")
    own = {"default_collection": f"user:{ana['id']}"}
    assert (await as_ana.done("PATCH", "/me", own))["default_collection"] == f"user:{ana['id']}"
    assert (await as_ana.done("PATCH", "/me", chosen))["default_collection"] == group["collection"]


async def test_an_account_has_as_many_groups_as_a_token_holds(admin: Api) -> None:
    ids = [
        (await admin.done("POST", "/groups", {"name": f"g{n}", "mode": "manage"}))["id"]
        for n in range(MOST_GROUPS + 1)
    ]
    made = await make(admin, "ana", groups=ids[:MOST_GROUPS])
    assert await admin.refused("PATCH", f"/users/{made['id']}", {"groups": ids}) == (400, "invalid-request")
    found = await sign_in(admin.client, username="ana", password=PASSWORD)
    assert len(found["access_token"]) < 3.5 * 1024
