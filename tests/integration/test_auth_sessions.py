"""The statements about sessions, hashes and keys, where two act at once or come late."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from libs.common.ids import UserId, new_uuid
from libs.common.security.passwords import Passwords
from services.auth.identity import store as accounts
from services.auth.metrics import AuthMetrics
from services.auth.sessions import store
from services.auth.sessions.login import Sessions
from services.auth.sessions.models import Client
from services.auth.sessions.rotation import RefreshToken, new_salt, new_token
from services.auth.sessions.signing import TokenSigner
from services.auth.sessions.signing_key import SigningKey
from services.auth.sessions.throttle import Throttle
from services.auth.settings import AuthSettings
from tests.fixtures_postgres import OpenDatabase
from tests.waiting import eventually

CLIENT = Client("a browser", "192.0.2.1")


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    return await open_database("auth")


@pytest.fixture
async def user(database: Database) -> UserId:
    async with database.transaction() as connection:
        made = await accounts.insert_user(connection, "ana", "hash", staff=False, superuser=False)
    assert made is not None
    return made


@pytest.fixture
async def token(database: Database, user: UserId) -> RefreshToken:
    """The current token of a session; the one that it replaced is `replaced`."""
    made = new_token(new_uuid())
    async with database.transaction() as connection:
        await store.insert_session(connection, made.session_id, user, made.hash, 3600, CLIENT, "password")
    return made


async def is_over(database: Database, session_id: UUID) -> bool:
    async with database.transaction() as connection:
        session = await store.lock_session(connection, session_id)
    assert session is not None
    return session.revoked_at is not None


async def rotate(database: Database, token: RefreshToken) -> RefreshToken:
    salt = new_salt()
    async with database.transaction() as connection:
        await store.rotate_session(connection, token.session_id, token.successor(salt).hash, salt)
    return token.successor(salt)


async def test_who_waited_for_a_session_sees_it_at_the_time_when_it_came(
    database: Database, token: RefreshToken
) -> None:
    async with database.transaction() as late:
        began = await late.fetchval("SELECT now()")
        await rotate(database, token)
        session = await store.lock_session(late, token.session_id)
    assert session is not None
    assert session.rotated_at is not None
    assert began < session.rotated_at <= session.now


async def test_signing_out_needs_the_session_token_or_the_one_it_replaced(
    database: Database, token: RefreshToken
) -> None:
    current = await rotate(database, token)
    async with database.transaction() as connection:
        await store.revoke_by_holder(connection, token.session_id, new_token(token.session_id).hash)
    assert not await is_over(database, token.session_id)
    older = await rotate(database, current)
    async with database.transaction() as connection:
        await store.revoke_by_holder(connection, token.session_id, token.hash)
    assert not await is_over(database, older.session_id)
    async with database.transaction() as connection:
        await store.revoke_by_holder(connection, token.session_id, current.hash)
    assert await is_over(database, token.session_id)


async def test_a_renewed_hash_does_not_undo_a_change_of_the_password(
    database: Database, user: UserId
) -> None:
    async with database.transaction() as connection:
        await accounts.replace_hash(connection, user, "hash", "changed meanwhile")
        await accounts.replace_hash(connection, user, "hash", "renewed")
        account = await accounts.find_account(connection, "ana")
    assert account is not None
    assert account.password == "changed meanwhile"


async def test_a_key_that_has_ended_is_published_no_more(database: Database) -> None:
    async def published() -> list[str]:
        return [key.kid for key in await store.published_keys(connection)]

    async with database.transaction() as connection:
        await store.insert_signing_key(connection, "first", b"1" * 32)
        await store.insert_signing_key(connection, "too late", b"2" * 32)
        assert await published() == ["first"]
        await store.end_signing_key(connection, 0.0)
        await store.insert_signing_key(connection, "next", b"3" * 32)
        assert await published() == ["next"]


async def test_whoever_comes_second_signs_with_the_key_that_was_stored(
    database: Database, sql: Connection
) -> None:
    async def waits() -> bool:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"
        return bool(await sql.fetchval(waiting, await sql.fetchval("SELECT current_database()")))

    first = TokenSigner(b"1" * 32)
    async with database.transaction() as connection:
        await store.insert_signing_key(connection, first.kid, b"1" * 32)
        second = asyncio.create_task(SigningKey(database).signer())
        await eventually(waits)
    assert (await second).kid == first.kid


async def test_a_session_lasts_as_long_as_it_is_given(database: Database, token: RefreshToken) -> None:
    async with database.transaction() as connection:
        session = await store.lock_session(connection, token.session_id)
    assert session is not None
    left = session.expires_at - datetime.now(UTC)
    assert timedelta(minutes=55) < left <= timedelta(minutes=60)


async def test_only_sessions_whose_time_is_over_are_forgotten(database: Database, user: UserId) -> None:
    over, running = new_token(new_uuid()), new_token(new_uuid())
    async with database.transaction() as connection:
        await store.insert_session(connection, over.session_id, user, over.hash, -1, CLIENT, "password")
        await store.insert_session(connection, running.session_id, user, running.hash, 60, CLIENT, "password")
        await store.delete_expired_sessions(connection, 0.0)
        assert await store.lock_session(connection, over.session_id) is None
        assert await store.lock_session(connection, running.session_id) is not None


async def test_a_sign_in_that_the_database_cannot_answer_counts_as_busy(database: Database) -> None:
    registry = CollectorRegistry()
    settings, metrics = AuthSettings(), AuthMetrics(registry)
    sessions = Sessions(
        database,
        Passwords(time_cost=1, memory_kib=64, parallelism=1, workers=1, queue=1),
        SigningKey(database),
        settings,
        metrics,
        Throttle(database, settings, metrics),
    )
    await database.close()
    with pytest.raises(Unavailable):
        await sessions.sign_in("ana", "x", CLIENT)
    with pytest.raises(Unavailable):
        await sessions.refresh(new_token(new_uuid()).encode(), CLIENT)
    for name in ("auth_sign_ins_total", "auth_refreshes_total"):
        assert registry.get_sample_value(name, {"outcome": "busy"}) == 1.0
        assert registry.get_sample_value(name, {"outcome": "ok"}) == 0.0
