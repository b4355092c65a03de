"""A forgotten password over HTTP, on a real PostgreSQL and a mail server: what an attacker tries as well."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from libs.common.database.postgres import Connection
from libs.common.encryption.keyring import Keyring
from libs.common.http.client import parse_networks
from tests.auth_support import ADMIN, Client, Start, bearer, me, refresh, sign_in
from tests.certificates import Certificates, Files
from tests.mail_server import TAKEN, MailServer
from tests.second_factor_support import PASSWORD, Person
from tests.waiting import eventually

NEW = "another phrase of some words"
PUBLIC_URL = "https://dicom.example.org"
LINK = re.compile(rf"{PUBLIC_URL}/reset-password#([A-Za-z0-9_-]{{43}})\n")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "ca")


@pytest.fixture
def files(certificates: Certificates, tmp_path: Path) -> Files:
    return certificates.issue(tmp_path / "mail")


@pytest.fixture
def context(files: Files) -> ssl.SSLContext:
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.load_cert_chain(files.certificate, files.key)
    return found


@pytest.fixture
async def server(context: ssl.SSLContext) -> AsyncIterator[MailServer]:
    async with MailServer().served(context) as found:
        yield found


@pytest.fixture
def start(start_auth: Start, certificates: Certificates, tmp_path: Path) -> Callable[..., Awaitable[Client]]:
    """A replica that sends mails to a server."""
    Keyring.create(tmp_path / "auth.json")

    async def started(server: MailServer, **changed: Any) -> Client:
        settings = {
            "smtp_host": "localhost",
            "smtp_port": server.port,
            "smtp_from": "no-reply@example.org",
            "smtp_ca_file": certificates.ca_file,
            "public_url": PUBLIC_URL,
            "auth_keyring_file": tmp_path / "auth.json",
            "trusted_proxies": parse_networks("127.0.0.0/8"),
        }
        return await start_auth(**{**settings, **changed})

    return started


@pytest.fixture
async def client(start: Callable[..., Awaitable[Client]], server: MailServer) -> Client:
    return await start(server)


async def post(
    client: Client, path: str, body: Any, token: str | None = None, method: str = "POST", **headers: str
) -> tuple[int, Any]:
    sent = {**({} if token is None else bearer(token)), **headers}
    async with client.request(method, f"/api/auth{path}", json=body, headers=sent) as answer:
        text = await answer.read()
        return answer.status, await answer.json() if text else None


async def make(client: Client, name: str = "ana", **more: Any) -> int:
    token = (await sign_in(client))["access_token"]
    wanted = {
        "username": name,
        "password": PASSWORD,
        "must_change_password": False,
        "email": f"{name}@example.org",
        **more,
    }
    status, made = await post(client, "/users", wanted, token)
    assert status == 201, made
    user_id: int = made["id"]
    return user_id


async def ask(client: Client, name: str = "ana", **headers: str) -> None:
    assert await post(client, "/password/forgotten", {"username": name}, **headers) == (202, None)


def text_of(mail: Message) -> str:
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


async def mailed(server: MailServer, count: int = 1) -> str:
    """The token of the newest mail, once there are so many."""

    async def came() -> bool:
        return len(server.mails) >= count

    await eventually(came)
    assert len(server.mails) == count
    (token,) = set(LINK.findall(text_of(server.mails[-1])))
    return str(token)


async def idle(sql: Connection) -> None:
    """Once no mail waits."""

    async def done() -> bool:
        return not await sql.fetchval("SELECT count(*) FROM auth.password_mail")

    await eventually(done)


async def code_of(answer: Awaitable[tuple[int, Any]]) -> tuple[int, str]:
    status, found = await answer
    return status, found["code"]


async def test_a_link_sets_the_password_once_and_ends_what_was(
    client: Client, server: MailServer, sql: Connection
) -> None:
    await make(client)
    before = await sign_in(client, username="ana", password=PASSWORD)
    _, key = await post(client, "/me/api-keys", {"name": "script", "days": 1}, before["access_token"])
    await ask(client, "ANA")
    token = await mailed(server)
    mail = server.mails[0]
    assert (mail["To"], mail["From"], mail["Auto-Submitted"]) == (
        "ana@example.org",
        "no-reply@example.org",
        "auto-generated",
    )
    assert server.encrypted == [True]
    noted = await sql.fetch(
        "SELECT ending FROM (SELECT action, ending FROM auth.audit_log UNION ALL SELECT entry->>'action', "
        "entry->>'ending' FROM auth.audit_pending) AS told WHERE action = 'ask_for_password_link'"
    )
    assert [row["ending"] for row in noted] == ["success"]
    assert "30 minut" in text_of(mail)
    # Not good enough: the link stays good.
    weak = await code_of(post(client, "/password/reset", {"token": token, "password": "password"}))
    assert weak == (400, "password-too-short")
    both = [post(client, "/password/reset", {"token": token, "password": f"{NEW} {n}"}) for n in range(3)]
    found = await asyncio.gather(*both)
    assert sorted(status for status, _ in found) == [204, 404, 404]
    assert {problem["code"] for status, problem in found if status == 404} == {"reset-link-over"}
    again = post(client, "/password/reset", {"token": token, "password": NEW})
    assert await code_of(again) == (404, "reset-link-over")
    good = next(n for n, (status, _) in enumerate(found) if status == 204)
    await sign_in(client, username="ana", password=f"{NEW} {good}")
    assert (await refresh(client, before["refresh_token"]))[0] == 401
    assert (await me(client, key["key"]))[0] == 401
    assert not await sql.fetchval("SELECT count(*) FROM auth.password_reset")


async def test_a_new_password_is_no_second_factor(client: Client, server: MailServer) -> None:
    await make(client)
    ana = Person(client, "ana", PASSWORD)
    await ana.set_up()
    await ask(client)
    token = await mailed(server)
    assert (await post(client, "/password/reset", {"token": token, "password": NEW}))[0] == 204
    ana.password = NEW
    status, found = await ana.login()
    assert (status, found["methods"]) == (202, ["totp", "recovery_code"])
    assert (await ana.complete(found["challenge_token"], ana.code()))[0] == 200


async def test_the_link_leads_to_this_system_whatever_the_request_says(
    client: Client, server: MailServer
) -> None:
    await make(client)
    await ask(
        client, Host="evil.example", **{"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    )
    await mailed(server)
    assert "evil" not in server.mails[0].as_string()


async def test_nothing_tells_whether_there_is_an_account(
    client: Client, server: MailServer, sql: Connection
) -> None:
    await make(client, "closed")
    await make(client, "mailless", email="")
    await make(client, "outside")
    await sql.execute("UPDATE auth.auth_user SET is_active = false WHERE username = 'closed'")
    # As accounts of an identity provider have it.
    await sql.execute("UPDATE auth.auth_user SET password = '!' WHERE username = 'outside'")
    await sql.execute(
        "INSERT INTO auth.auth_user (username, password, email, kind)"
        " SELECT 'robot', password, 'robot@example.org', 'service' FROM auth.auth_user LIMIT 1"
    )
    names = ["nobody", "closed", "mailless", "outside", "robot", "robot@example.org", " ", "a\0b", "' OR 1"]
    for name in names:
        await ask(client, name)
    await idle(sql)
    assert server.mails == []
    rows = await sql.fetchval("SELECT count(*) FROM auth.sign_in_failure WHERE starts_with(key, 'mail-to:')")
    assert rows == len(names)


async def test_accounts_are_found_by_their_address_each_in_its_language(
    client: Client, server: MailServer, sql: Connection
) -> None:
    for name, language in (("ana", "es"), ("ben", "en"), ("eva", "")):
        await make(client, name, email="Office@example.org", language=language)
    await ask(client, "office@EXAMPLE.org")
    await idle(sql)
    texts = {
        next(n for n in ("ana", "ben", "eva") if f" {n} " in text): text
        for text in map(text_of, server.mails)
    }
    assert ("Si no has sido" in texts["ana"], "If it was not" in texts["ana"]) == (True, False)
    assert ("Si no has sido" in texts["ben"], "If it was not" in texts["ben"]) == (False, True)
    assert ("Si no has sido" in texts["eva"], "If it was not" in texts["eva"]) == (True, True)
    assert len({LINK.findall(text)[0] for text in texts.values()}) == 3


async def test_a_mailbox_is_not_filled_and_nobody_is_told(
    client: Client, server: MailServer, sql: Connection
) -> None:
    await make(client)
    for n in range(6):
        await ask(client, "ana", **{"X-Forwarded-For": f"198.51.100.{n}"})
    await idle(sql)
    assert len(server.mails) == 3
    thief = {"X-Forwarded-For": "203.0.113.5"}
    statuses = [
        (await post(client, "/password/forgotten", {"username": f"name{n}"}, **thief))[0] for n in range(25)
    ]
    assert set(statuses) == {202, 429}
    assert statuses.count(202) <= 21


@pytest.mark.parametrize(
    "ended",
    [
        "UPDATE auth.password_reset SET expires_at = now()",
        "UPDATE auth.auth_user SET is_active = false",
        "PUT /users/{id}/password",
        "PATCH /users/{id}",
        "PUT /me/password",
        "PATCH /me",
    ],
)
async def test_a_link_dies_with_what_it_rests_on(
    client: Client, server: MailServer, sql: Connection, ended: str
) -> None:
    user_id = await make(client)
    await ask(client)
    token = await mailed(server)
    if ended.startswith("UPDATE"):
        await sql.execute(ended)
    else:
        method, path = ended.format(id=user_id).split(" ")
        who = {"username": "ana", "password": PASSWORD} if "/me" in path else ADMIN
        caller = (await sign_in(client, **who))["access_token"]
        body = {
            f"PUT /users/{user_id}/password": {"password": NEW},
            f"PATCH /users/{user_id}": {"email": "other@example.org"},
            "PUT /me/password": {"current_password": PASSWORD, "new_password": NEW},
            "PATCH /me": {"email": "other@example.org", "current_password": PASSWORD},
        }[f"{method} {path}"]
        status, problem = await post(client, path, body, caller, method)
        assert status in (200, 204), problem
    over = post(client, "/password/reset", {"token": token, "password": NEW})
    assert await code_of(over) == (404, "reset-link-over")


async def test_whoever_has_a_session_does_not_move_the_mail_address(client: Client) -> None:
    """Otherwise a stolen session becomes the account."""
    user_id = await make(client)
    token = (await sign_in(client, username="ana", password=PASSWORD))["access_token"]
    for body in (
        {"email": "thief@example.org"},
        {"email": "thief@example.org", "current_password": "wrong"},
    ):
        assert await code_of(post(client, "/me", body, token, "PATCH")) == (401, "wrong-credentials")
    same = {"email": "ana@example.org", "first_name": "Ana"}
    assert (await post(client, "/me", same, token, "PATCH"))[0] == 200
    admin = (await sign_in(client))["access_token"]
    own = post(client, "/users/1", {"email": "thief@example.org"}, admin, "PATCH")
    assert await code_of(own) == (403, "permission-denied")
    # Whoever may not give a password to an account does not have its links sent elsewhere either.
    _, group = await post(client, "/groups", {"name": "heart", "mode": "view"}, admin)
    assert (await post(client, f"/users/{user_id}", {"groups": [group["id"]]}, admin, "PATCH"))[0] == 200
    await make(client, "lesser", permissions=["change_user"])
    lesser = (await sign_in(client, username="lesser", password=PASSWORD))["access_token"]
    tries: list[tuple[str, str, Any]] = [
        ("PATCH", f"/users/{user_id}", {"email": "thief@example.org"}),
        ("POST", f"/users/{user_id}/password-link", None),
        ("PUT", f"/users/{user_id}/password", {"password": NEW}),
    ]
    for method, path, wanted in tries:
        assert await code_of(post(client, path, wanted, lesser, method)) == (403, "permission-denied")


async def test_an_administrator_gives_out_one_link_at_a_time(start_auth: Start, sql: Connection) -> None:
    client = await start_auth(public_url=PUBLIC_URL)
    user_id = await make(client)
    assert await code_of(post(client, "/password/forgotten", {"username": "ana"})) == (409, "no-mail")
    admin = (await sign_in(client))["access_token"]
    _, first = await post(client, f"/users/{user_id}/password-link", None, admin)
    status, second = await post(client, f"/users/{user_id}/password-link", None, admin, Host="evil.example")
    assert (status, set(second)) == (200, {"url", "expires_at"})
    tokens = [LINK.fullmatch(one["url"] + "\n") for one in (first, second)]
    former, token = (found[1] if found else "" for found in tokens)
    assert token
    over = post(client, "/password/reset", {"token": former, "password": NEW})
    assert await code_of(over) == (404, "reset-link-over")
    assert (await post(client, "/password/reset", {"token": token, "password": NEW}))[0] == 204
    await sign_in(client, username="ana", password=NEW)
    assert await code_of(post(client, "/users/1/password-link", None, admin)) == (403, "permission-denied")
    assert await code_of(post(client, "/users/99/password-link", None, admin)) == (404, "not-found")
    robot = await post(client, "/service-accounts", {"username": "robot", "permissions": []}, admin)
    service = post(client, f"/users/{robot[1]['id']}/password-link", None, admin)
    assert await code_of(service) == (409, "no-password")
    kept = await sql.fetch("SELECT token_hash FROM auth.password_reset")
    assert all(token.encode() not in row["token_hash"] for row in kept)


async def test_a_server_that_is_busy_gets_the_mail_later(
    client: Client, server: MailServer, sql: Connection
) -> None:
    await make(client)
    server.data = "451 later"
    await ask(client)

    async def delayed() -> bool:
        return bool(await sql.fetchval("SELECT count(*) FROM auth.password_mail WHERE attempts > 0"))

    await eventually(delayed)
    await eventually(lambda: _is_true(server.tried > 0))
    server.data = TAKEN

    async def sent() -> bool:
        await sql.execute(
            "UPDATE auth.password_mail SET due_at = now() WHERE due_at < now() + interval '60 s'"
        )
        return bool(server.mails)

    await eventually(sent)
    await idle(sql)
    assert len(server.mails) == 1


async def _is_true(found: bool) -> bool:
    return found


async def test_an_address_that_is_refused_is_given_up_at_once(
    client: Client, server: MailServer, sql: Connection
) -> None:
    await make(client)
    server.recipient = "550 no such mailbox"
    await ask(client)
    await idle(sql)
    assert (server.mails, server.tried) == ([], 1)

    async def noted() -> bool:
        return bool(
            await sql.fetchval(
                "SELECT count(*) FROM auth.audit_log WHERE action = 'send_password_link'"
                " AND details ->> 'mail' = 'refused'"
            )
        )

    await eventually(noted)


async def test_a_process_that_is_killed_loses_no_mail(
    start: Callable[..., Awaitable[Client]], server: MailServer, sql: Connection, start_auth: Start
) -> None:
    first = await start_auth()
    user_id = await make(first)
    # One that was answered, and one that a process had begun with: both were committed.
    await sql.execute(
        "INSERT INTO auth.password_mail (id, user_ids, due_at, attempts) VALUES"
        " (gen_random_uuid(), ARRAY[$1::integer], now(), 0),"
        " (gen_random_uuid(), ARRAY[$1::integer], now() - interval '1 s', 1)",
        user_id,
    )
    await start(server)
    await idle(sql)
    assert len(server.mails) == 2


async def test_a_mail_whose_link_would_be_over_is_given_up(
    start: Callable[..., Awaitable[Client]], server: MailServer, sql: Connection
) -> None:
    client = await start(server, password_reset_seconds=60)
    user_id = await make(client)
    await sql.execute(
        "INSERT INTO auth.password_mail (id, user_ids, created_at)"
        " VALUES (gen_random_uuid(), ARRAY[$1::integer], now() - interval '61 s')",
        user_id,
    )
    await ask(client, "nobody")
    await idle(sql)
    assert server.mails == []


@pytest.mark.parametrize("kind", ["plaintext", "foreign certificate", "wrong password"])
async def test_nothing_is_said_to_a_server_that_proves_nothing(
    start: Callable[..., Awaitable[Client]],
    sql: Connection,
    tmp_path: Path,
    context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    # The client waits so long for a good-bye after a login that was refused.
    monkeypatch.setattr("libs.common.mail.TIMEOUT_SECONDS", 5.0)
    changed: dict[str, Any] = {}
    server = MailServer()
    offered: ssl.SSLContext | None = context
    if kind == "plaintext":
        offered = None
    elif kind == "foreign certificate":
        files = Certificates(tmp_path / "evil-ca").issue(tmp_path / "evil")
        offered = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        offered.load_cert_chain(files.certificate, files.key)
    else:
        server.password = "right"
        changed = {"smtp_username": "dicom", "smtp_password": SecretStr("wrong")}
    async with server.served(offered):
        client = await start(server, **changed)
        await make(client)
        await ask(client)

        async def tried() -> bool:
            return bool(
                await sql.fetchval(
                    "SELECT count(*) FROM auth.password_mail"
                    " WHERE attempts = 1 AND due_at < now() + interval '60 s'"
                )
            )

        await eventually(tried)
    assert (server.mails, server.tried) == ([], 0)


async def test_logins_and_tls_from_the_start(
    start: Callable[..., Awaitable[Client]], context: ssl.SSLContext
) -> None:
    server = MailServer(password="right")
    login = {"smtp_username": "dicom", "smtp_password": SecretStr("right")}
    async with server.served(context, from_the_start=True):
        client = await start(server, smtp_security="tls", **login)
        await make(client)
        await ask(client)
        await mailed(server)


async def test_each_act_is_noted_and_no_token_with_it(
    client: Client, server: MailServer, sql: Connection
) -> None:
    user_id = await make(client)
    await ask(client)
    token = await mailed(server)
    await post(client, "/password/reset", {"token": "x" * 43, "password": NEW})
    assert (await post(client, "/password/reset", {"token": token, "password": NEW}))[0] == 204
    expected = {
        ("ask_for_password_link", "success", "anonymous", (str(user_id),)),
        ("send_password_link", "success", "system", (str(user_id),)),
        ("reset_password", "refused", "anonymous", ()),
        ("reset_password", "success", f"user:{user_id}", (str(user_id),)),
    }

    async def noted() -> bool:
        rows = await sql.fetch(
            "SELECT action, ending, actor, objects FROM auth.audit_log WHERE action LIKE '%password%'"
        )
        return {(*tuple(row)[:3], tuple(row["objects"])) for row in rows} == expected and len(rows) == 4

    await eventually(noted)
    text = str(await sql.fetch("SELECT * FROM auth.audit_log"))
    assert token not in text
    assert "ana@example.org" not in text
