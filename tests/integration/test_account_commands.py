"""Accounts, groups and permissions from a shell: `python -m services.auth …`, as a process of its own."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.common.database.postgres import Connection
from services.auth import acts
from tests.auth_support import Client, Start, refresh, sign_in
from tests.commands import run_command

ROOT = Path(__file__).parents[2]
PASSWORD = "four unrelated words here"
OTHER = "another phrase of some words"


@dataclass(frozen=True)
class Shell:
    """Runs the commands on the test's database."""

    url: str
    module: str = "services.auth"

    async def run(self, *arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
        """What a command printed and how it ended."""
        env = {"DATABASE_URL": self.url}
        return await asyncio.to_thread(run_command, self.module, *arguments, env=env, given=f"{password}\n")

    async def done(self, *arguments: str, password: str = "") -> str:
        """What a command printed that did what it should."""
        found = await self.run(*arguments, password=password)
        assert (found.returncode, found.stderr) == (0, ""), arguments
        return found.stdout

    async def refused(self, *arguments: str, password: str = "") -> str:
        """The one sentence of a command that did nothing."""
        found = await self.run(*arguments, password=password)
        assert (found.returncode, found.stdout, found.stderr.count("\n")) == (1, "", 1), found
        return found.stderr


@pytest.fixture
async def client(start_auth: Start) -> Client:
    return await start_auth()


@pytest.fixture
def shell(client: Client, role_url: Callable[[str], str]) -> Shell:
    return Shell(role_url("auth"))


async def test_every_verb_works_on_accounts(shell: Shell, client: Client, sql: Connection) -> None:
    await shell.done("group", "create", "heart", "--mode", "manage", "--permission", "view_dicomresult")
    profile = (
        "--first-name",
        "Ana",
        "--last-name",
        "Núñez",
        "--email",
        "ana@example.org",
        "--language",
        "es",
    )
    given = ("--group", "heart", "--group", "uploader", "--permission", "view_user")
    await shell.done("user", "create", "ana", *profile, *given, password=PASSWORD)
    row = await sql.fetchrow("SELECT * FROM auth.auth_user WHERE username = 'ana'")
    assert row is not None
    assert (row["first_name"], row["last_name"], row["email"], row["language"]) == (
        "Ana",
        "Núñez",
        "ana@example.org",
        "es",
    )
    heart = await sql.fetchval("SELECT id FROM auth.auth_group WHERE name = 'heart'")
    await shell.done("user", "change", "Ana", "--default-collection", f"group:{heart}", "--language", "en")
    found = await sign_in(client, username="ana", password=PASSWORD)
    listed = await shell.done("user", "list", "núñ")
    assert (listed.count("\n"), "ana" in listed, "heart, uploader" in listed) == (1, True, True)
    await shell.done("user", "sign-out", "ana")
    assert (await refresh(client, found["refresh_token"]))[0] == 401
    found = await sign_in(client, username="ana", password=PASSWORD)
    await shell.done("user", "password", "ana", password=OTHER)
    assert (await refresh(client, found["refresh_token"]))[0] == 401
    await sign_in(client, username="ana", password=OTHER)
    await shell.done("user", "change", "ana", "--staff", "--superuser", "--must-change-password")
    row = await sql.fetchrow(
        "SELECT is_staff, is_superuser, must_change_password, language, default_collection"
        " FROM auth.auth_user WHERE username = 'ana'"
    )
    assert row is not None
    assert tuple(row) == (True, True, True, "en", f"group:{heart}")
    await sql.execute(
        "INSERT INTO auth.totp (id, user_id, key_reference, seed, confirmed_at)"
        " SELECT gen_random_uuid(), id, 'k', 's', now() FROM auth.auth_user WHERE username = 'ana'"
    )
    await shell.done("reset-second-factor", "ana")
    assert await shell.refused("user", "reset-second-factor", "ana") == (
        "This account has no second factor.\n"
    )
    assert await sql.fetchval("SELECT count(*) FROM auth.totp") == 0
    assert (
        await sql.fetchval(
            """SELECT entry #>> '{details,fields}' FROM auth.audit_pending
        WHERE entry ->> 'action' = 'command.user-reset-second-factor' AND entry ->> 'ending' = 'success'"""
        )
        == '["second_factor"]'
    )
    await shell.done("user", "change", "ana", "--no-active")
    login = await client.post("/api/auth/login", json={"username": "ana", "password": OTHER})
    assert login.status == 401
    assert "closed" in await shell.done("user", "list", "ana")
    await shell.done("user", "delete", "ana")
    assert await shell.refused("user", "delete", "ana") == "There is no user named ana.\n"
    assert await shell.done("user", "list", "ana") == "\n"


async def test_every_verb_works_on_groups_and_permissions(shell: Shell) -> None:
    await shell.done("group", "create", "heart", "--permission", "view_user")
    await shell.done("group", "change", "heart", "--mode", "view", "--rename", "Corazón")
    listed = await shell.done("group", "list", "coraz")
    assert ("Corazón" in listed, "view " in listed, "view_user" in listed) == (True, True, True)
    assert "administrator" in await shell.done("group", "list")
    await shell.done("group", "delete", "Corazón")
    assert await shell.refused("group", "delete", "Corazón") == "There is no group named Corazón.\n"
    assert "replay_deadletter" in await shell.done("permission", "list")
    assert "There is no permission fly" in await shell.refused(
        "group", "create", "wing", "--permission", "fly"
    )
    assert await shell.refused("group", "change", "uploader") == "Say what to change (--help).\n"


@pytest.mark.parametrize(
    ("module", "first"), [("services", ("create-user",)), ("services.auth", ("user", "create"))]
)
async def test_new_passwords_obey_the_policy(shell: Shell, module: str, first: tuple[str, ...]) -> None:
    """`make create-user` is `python -m services create-user`."""
    as_made = Shell(shell.url, module)
    for password in ("short", "password1234", "berta1234567"):
        assert "Choose" in await as_made.refused(*first, "berta", password=password)
    assert "1024" in await as_made.refused(*first, "berta", password="x" * 1025)
    await as_made.done(*first, "berta", password="y" * 3 + PASSWORD)
    assert "Choose" in await as_made.refused("user", "password", "berta", password="short")


async def test_the_last_superuser_stays_from_a_shell_too(shell: Shell) -> None:
    last = "This is the last superuser: make another one first.\n"
    for arguments in (("change", "admin", "--no-superuser"), ("change", "admin", "--no-active")):
        assert await shell.refused("user", *arguments) == last
    assert await shell.refused("user", "delete", "admin") == last


async def test_an_administrator_who_is_held_up_lifts_it_from_a_shell(
    shell: Shell, client: Client, sql: Connection
) -> None:
    for _ in range(6):
        await client.post("/api/auth/login", json={"username": "admin", "password": "wrong"})
    assert (await client.post("/api/auth/login", json={"username": "admin", "password": "x"})).status == 429
    await shell.done("user", "unlock", "admin")
    await sign_in(client)
    assert await sql.fetchval("SELECT user_id FROM auth.admin_log ORDER BY id DESC LIMIT 1") == 0


async def test_lists_are_whole_however_long(shell: Shell, sql: Connection) -> None:
    """Also with names that are written otherwise in lower case."""
    count = acts.PAGE + 40
    await sql.execute(
        "INSERT INTO auth.auth_user (username, password)"
        " SELECT (CASE n % 3 WHEN 0 THEN 'İ' WHEN 1 THEN 'USER' ELSE 'ß' END) || n, '!'"
        " FROM generate_series(1, $1) AS n",
        count,
    )
    names = [line.split()[1] for line in (await shell.done("user", "list")).splitlines()]
    assert len(names) == len(set(names)) == count + 1
    assert await shell.done("user", "change", "user1", "--staff") == "User USER1 changed.\n"


async def test_applications_are_registered_changed_and_deleted(shell: Shell, sql: Connection) -> None:
    page = "https://viewer.example.org"
    given = (
        "--redirect",
        f"{page}/callback",
        "--after-sign-out",
        f"{page}/",
        "--scope",
        "openid",
        "--trusted",
    )
    said = await shell.done("application", "register", "OHIF", "--client-id", "ohif", *given)
    assert said == "Application OHIF registered: client id ohif.\n"
    row = await sql.fetchrow("SELECT * FROM auth.application")
    assert row is not None
    assert (row["redirect_uris"], row["post_logout_redirect_uris"]) == ([f"{page}/callback"], [f"{page}/"])
    assert (row["scopes"], row["trusted"], row["secret_hash"]) == (["openid"], True, None)
    assert "already" in await shell.refused("application", "register", "OHIF", "--client-id", "ohif", *given)
    assert "neither https" in await shell.refused(
        "application", "register", "X", "--redirect", "http://x.org/"
    )
    secret = await shell.done("application", "register", "S", "--redirect", f"{page}/s", "--confidential")
    assert re.search(r"client id s-[0-9a-f]{8}, secret [A-Za-z0-9_-]{43}$", secret.strip())
    await shell.done("application", "change", "ohif", "--no-active", "--name", "Visor")
    assert "Visor" in (listed := await shell.done("application", "list"))
    assert " off " in listed
    await shell.refused("application", "change", "ohif")
    await shell.done("application", "delete", "ohif")
    assert "no application" in await shell.refused("application", "delete", "ohif")
    assert await sql.fetchval("SELECT count(*) FROM auth.application") == 1
