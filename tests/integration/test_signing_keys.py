"""The key of access tokens is replaced while replicas work: they agree, and nobody has to sign in again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from joserfc.jws import extract_compact

from libs.common.audit.acts import Act, acting
from libs.common.database.postgres import Connection
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, TokenExpired
from libs.common.security import revocations
from libs.common.security.http_document import HttpDocument
from libs.common.security.revocations import Revocations
from libs.common.security.tokens import TokenVerifier
from services.auth.sessions import key_rotation, signing_key, store
from tests.auth_support import Client, Start, me, refresh, sign_in
from tests.commands import run_command
from tests.exposition import Exposition
from tests.fixtures_postgres import OpenDatabase
from tests.oidc_support import LyingProvider, come_back, depart, problem_of, providers_file
from tests.second_factor_support import Person
from tests.waiting import PATIENCE, eventually


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_key, "READ_SECONDS", 0.05)
    monkeypatch.setattr(revocations, "POLL_SECONDS", (0.05, 0.1))


@pytest.fixture
def rotate(role_url: Callable[[str], str]) -> Callable[..., str]:
    """Run the command; what it says."""

    def run(*arguments: str, code: int = 0) -> str:
        done = run_command(
            "services.auth", "rotate-signing-key", *arguments, env={"DATABASE_URL": role_url("auth")}
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


def kid_of(token: str) -> str:
    kid: str = extract_compact(token.encode()).headers()["kid"]
    return kid


async def published(client: Client) -> list[str]:
    """Key ids, the one that signs first."""
    async with client.get("/api/auth/jwks.json") as answer:
        return [key["kid"] for key in (await answer.json())["keys"]]


async def signs(client: Client) -> str:
    return kid_of((await sign_in(client))["access_token"])


async def test_replicas_publish_a_key_before_it_signs_and_after(
    start_auth: Start, rotate: Callable[..., str], sql: Connection
) -> None:
    replicas = [await start_auth(), await start_auth()]
    one, other = replicas
    former = await signs(one)
    session = await sign_in(one)
    elsewhere = TokenVerifier(str(one.make_url("/api/auth/jwks.json")), refetch_interval=0.0)
    await elsewhere.verify(session["access_token"])

    said = await asyncio.to_thread(rotate)
    (new,) = {line.split()[0] for line in said.splitlines()} - {former}
    for replica in replicas:
        await publishes(replica, [former, new])
        assert await signs(replica) == former
    # Not a second one on top of it.
    assert "a rotation is under way" in await asyncio.to_thread(rotate, code=1)
    assert await asyncio.to_thread(rotate, "--status") == said

    # A quarter of an hour later.
    await sql.execute("UPDATE auth.signing_key SET signs_from = now() WHERE kid = $1", new)
    for replica in replicas:
        await publishes(replica, [new, former])
        assert await signs(replica) == new
        assert (await me(replica, session["access_token"]))[0] == 200
    later = (await sign_in(other))["access_token"]
    for token in (session["access_token"], later):
        assert (await elsewhere.verify(token)).username == "admin"
    assert (await refresh(other, session["refresh_token"]))[0] == 200

    # And when the last token of the former key has ended.
    await sql.execute("UPDATE auth.signing_key SET retired_at = now() WHERE kid = $1", former)
    for replica in replicas:
        await publishes(replica, [new])
    await elsewhere.close()


async def publishes(client: Client, kids: list[str]) -> None:
    """Wait until it does, in this order."""

    async def does() -> bool:
        return await published(client) == kids

    await eventually(does)


async def refuses(client: Client, token: str) -> None:
    """Wait until it does."""

    async def does() -> bool:
        return (await me(client, token))[0] == 401

    await eventually(does)


async def test_a_key_that_has_leaked_takes_its_tokens_along(
    start_auth: Start, rotate: Callable[..., str], sql: Connection
) -> None:
    replicas = [await start_auth(), await start_auth()]
    session = await sign_in(replicas[0])
    former, token = kid_of(session["access_token"]), session["access_token"]
    list_of = str(replicas[1].make_url("/api/auth/revocations.json"))
    document = HttpDocument(list_of, what="revoked tokens")
    listed = Revocations(document)
    elsewhere = TokenVerifier(str(replicas[1].make_url("/api/auth/jwks.json")), revocations=listed)
    caller = await elsewhere.verify(token)
    waiting = asyncio.create_task(listed.wait(caller))
    # One that waits to sign has leaked with it.
    rotate_later = await asyncio.to_thread(rotate)
    waits = rotate_later.split()[0]

    said = await asyncio.to_thread(rotate, "--now", "--revoke")
    new = said.split()[0]
    assert new not in (former, waits)
    assert said.count("its tokens are refused") == 2
    for replica in replicas:
        await publishes(replica, [new])
        await refuses(replica, token)
        assert await signs(replica) == new

    # Another service, which has the former key in its memory, and knows this very token.
    async def told() -> bool:
        await listed.refresh()
        return listed.revoked(caller)

    await eventually(told)
    with pytest.raises(TokenExpired):
        await elsewhere.verify(token)
    await asyncio.wait_for(waiting, PATIENCE)
    # Nobody has to sign in again.
    status, again = await refresh(replicas[1], session["refresh_token"])
    assert status == 200
    assert (await me(replicas[0], again["access_token"]))[0] == 200
    rows = await sql.fetch("SELECT entry::text FROM auth.audit_pending ORDER BY id")
    noted = [json.loads(row["entry"]) for row in rows]
    rotations = [one for one in noted if one["action"] == "command.rotate-signing-key"]
    assert [one["objects"] for one in rotations] == [[waits], [new]]
    assert [one["details"]["how"] for one in rotations] == ["in time", "revoke"]
    for opened in (elsewhere, document):
        await opened.close()


async def test_a_rotation_under_way_can_be_brought_forward(
    start_auth: Start, rotate: Callable[..., str]
) -> None:
    client = await start_auth()
    former = await signs(client)
    new = (await asyncio.to_thread(rotate)).split()[0]
    assert (await asyncio.to_thread(rotate, "--now")).split()[0] == new
    await publishes(client, [new, former])
    assert await signs(client) == new
    # Without one that waits, another begins.
    third = (await asyncio.to_thread(rotate, "--now")).split()[0]
    assert third not in (former, new)
    await publishes(client, [third, new, former])


async def test_of_two_rotations_at_once_one_is_told_of_the_other(
    start_auth: Start, open_database: OpenDatabase, sql: Connection
) -> None:
    await start_auth()
    database = await open_database("auth")

    async def begin() -> None:
        with acting(Act("auth", "command.rotate-signing-key", actor="operator:test")):
            async with database.transaction() as connection:
                await key_rotation.rotate(connection, "in time")

    ended = await asyncio.gather(begin(), begin(), return_exceptions=True)
    assert [type(one) for one in ended if one is not None] == [ConfigurationError]
    assert await sql.fetchval("SELECT count(*) FROM auth.signing_key") == 2


async def test_sign_ins_that_wait_for_a_code_survive_a_rotation(
    start_auth: Start, rotate: Callable[..., str], tmp_path: Path
) -> None:
    Keyring.create(tmp_path / "auth.json")
    client = await start_auth(auth_keyring_file=tmp_path / "auth.json")
    person = Person(client)
    await person.set_up()
    challenge = await person.challenge()
    new = (await asyncio.to_thread(rotate, "--now")).split()[0]
    await eventually(lambda: _starts_with(client, new))
    status, tokens = await person.complete(challenge, person.code())
    assert status == 200
    assert kid_of(tokens["access_token"]) == new


async def _starts_with(client: Client, kid: str) -> bool:
    return (await published(client))[0] == kid


async def test_a_way_to_a_provider_survives_a_rotation(
    start_auth: Start, rotate: Callable[..., str], tmp_path: Path
) -> None:
    async with LyingProvider().served() as provider:
        path = providers_file(tmp_path, one={"issuer": provider.url, "create_accounts": True})
        client = await start_auth(oidc_providers_file=path)
        location = await depart(client)
        new = (await asyncio.to_thread(rotate, "--now")).split()[0]
        await eventually(lambda: _starts_with(client, new))
        state = location.partition("state=")[2].partition("&")[0]
        assert problem_of(await come_back(client, code=provider.authorize(location), state=state)) is None


async def test_keys_are_forgotten_when_nobody_can_know_them(sql: Connection) -> None:
    for kid, retired, revoked in (
        ("signs", None, None),
        ("ended", "2 days", None),
        ("ends", "1 hour", None),
        ("revoked", "2 days", "2 days"),
        ("long ago", "9 days", "9 days"),
    ):
        await sql.execute(
            "INSERT INTO auth.signing_key (kid, private_key, retired_at, revoked_at)"
            " VALUES ($1, $2, now() - $3::text::interval, now() - $4::text::interval)",
            kid,
            kid[:1].encode() * 32,
            retired,
            revoked,
        )
    assert await store.revoked_signing_keys(sql) == ["revoked"]
    await store.delete_signing_keys(sql)
    left = {row["kid"] for row in await sql.fetch("SELECT kid FROM auth.signing_key")}
    assert left == {"signs", "ends", "revoked"}


async def test_before_the_first_key_there_is_nothing_to_rotate(
    database_url: str, rotate: Callable[..., str]
) -> None:
    assert "auth makes the first" in await asyncio.to_thread(rotate, code=1)


async def test_its_age_and_number_are_metrics(start_auth: Start, rotate: Callable[..., str]) -> None:
    client = await start_auth()
    await asyncio.to_thread(rotate)

    async def two() -> bool:
        async with client.get("/metrics") as answer:
            samples = {one.name: one.value for one in Exposition(await answer.text()).samples}
        return samples["auth_signing_keys"] == 2 and samples["auth_signing_key_age_seconds"] >= 0

    await eventually(two)
