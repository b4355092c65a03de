"""Wrong passwords: few are looked at, nobody is locked out by a stranger, others are not held up."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from argon2 import PasswordHasher

from libs.common.database.postgres import Connection
from libs.common.http.client import parse_networks
from services.auth.keys import THROTTLE
from tests.auth_support import ADMIN, Client, Start, bearer, refresh, sign_in
from tests.exposition import Exposition

PROXY = {"trusted_proxies": parse_networks("127.0.0.0/8")}
HOME = "192.0.2.7"


def at(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def attempt(client: Client, address: str, password: str = "wrong", username: str = "admin") -> int:
    body = {"username": username, "password": password}
    async with client.post("/api/auth/login", json=body, headers=at(address)) as answer:
        if answer.status == 429:
            assert int(answer.headers["Retry-After"]) >= 1
            assert (await answer.json())["code"] == "too-many-requests"
        return answer.status


async def looked_at(client: Client) -> float:
    """How many passwords were compared and found wrong."""
    async with client.get("/metrics") as answer:
        samples = Exposition(await answer.text()).samples
    return next(
        sample.value
        for sample in samples
        if sample.name == "auth_sign_ins_total" and sample.labels == {"outcome": "wrong_credentials"}
    )


async def flood(client: Client, addresses: list[str], **more: Any) -> list[int]:
    return await asyncio.gather(*(attempt(client, address, **more) for address in addresses))


async def test_of_200_guesses_from_one_address_few_are_looked_at(start_auth: Start) -> None:
    client = await start_auth(**PROXY)
    assert await attempt(client, HOME, ADMIN["password"]) == 200
    found = await flood(client, [HOME.replace("7", "66")] * 200)
    assert set(found) == {401, 429}
    assert await looked_at(client) == found.count(401) <= 6
    # The guesser's address waits, with the right password too; the account's own does not.
    assert await attempt(client, "192.0.2.66", ADMIN["password"]) == 429
    assert await attempt(client, HOME, ADMIN["password"]) == 200
    assert await attempt(client, HOME) == 401


async def test_200_addresses_that_guess_one_account_do_not_lock_its_owner_out(start_auth: Start) -> None:
    client = await start_auth(**PROXY, password_queue=1000)
    assert await attempt(client, HOME, ADMIN["password"]) == 200
    found = await flood(client, [f"198.51.100.{n}" for n in range(200)])
    assert set(found) == {401, 429}
    assert await looked_at(client) == found.count(401) <= 21
    assert await attempt(client, "203.0.113.1") == 429
    assert await attempt(client, HOME, ADMIN["password"]) == 200


async def passes(sql: Connection, seconds: float) -> None:
    """Move everything that the table remembers into the past."""
    await sql.execute(
        "UPDATE auth.sign_in_failure SET last_at = last_at - $1 * interval '1 second',"
        " blocked_until = blocked_until - $1 * interval '1 second'",
        float(seconds),
    )


async def block(sql: Connection) -> None:
    """As somebody does who came first."""
    await sql.execute(
        "UPDATE auth.sign_in_failure SET blocked_until = clock_timestamp() + interval '60 s'"
        " WHERE starts_with(key, 'account:')"
    )


async def retry_after(client: Client, address: str, password: str) -> int:
    """When to come again, in seconds; 0: signed in, -1: wrong."""
    body = {"username": "admin", "password": password}
    async with client.post("/api/auth/login", json=body, headers=at(address)) as answer:
        if answer.status == 429:
            return int(answer.headers["Retry-After"])
        return {200: 0, 401: -1}[answer.status]


STRANGERS = [f"198.51.100.{n}" for n in range(60)]


@pytest.mark.parametrize("mistakes", [0, pytest.param(1, marks=pytest.mark.faults)])
async def test_60_addresses_that_never_stop_do_not_keep_out_who_obeys(
    start_auth: Start, sql: Connection, mistakes: int
) -> None:
    client = await start_auth(**PROXY, password_queue=1000)
    # Before the owner comes, their delay is the longest, and all of them have tickets.
    for _ in range(8):
        await flood(client, STRANGERS)
        await passes(sql, 61)
    before, elapsed, answers = await looked_at(client), 0, []
    for password in ["mistake"] * mistakes + [ADMIN["password"]]:
        await flood(client, STRANGERS)
        answers.append(await retry_after(client, HOME, password))
        while answers[-1] > 0 and len(answers) < 6:
            left = answers[-1]
            while left > 0:
                step = min(left, 20)
                await passes(sql, step)
                # They come first each time, also at the very second at which the owner may come.
                await flood(client, STRANGERS)
                left, elapsed = left - step, elapsed + step
            answers.append(await retry_after(client, HOME, password))
    assert [answer for answer in answers if answer <= 0] == [-1] * mistakes + [0]
    assert len(answers) == 2 * (1 + mistakes)
    assert elapsed <= (60 + 1) * (5 + 15 * mistakes) + 61
    # 16 a minute, one of the account's own delay, and what was saved up.
    assert await looked_at(client) - before <= elapsed / 60 * 17 + 82 + mistakes


async def test_a_ticket_is_good_once_and_only_at_its_time(start_auth: Start, sql: Connection) -> None:
    client = await start_auth(**PROXY, password_queue=1000, sign_in_free_failures_many=1)
    assert await attempt(client, STRANGERS[0]) == 401
    await block(sql)
    # One place for a crowd of one address.
    assert set(await flood(client, ["203.0.113.1"] * 20)) == {429}
    assert 60 < await retry_after(client, "203.0.113.2", "wrong") <= 65
    await passes(sql, 50)
    await block(sql)
    assert 0 < await retry_after(client, "203.0.113.1", "wrong") <= 10
    await passes(sql, 10)
    await block(sql)
    assert sorted(await flood(client, ["203.0.113.1"] * 5)) == [401, 429, 429, 429, 429]
    # Whose time is over has to wait behind.
    await passes(sql, 400)
    await block(sql)
    assert await retry_after(client, "203.0.113.2", ADMIN["password"]) > 0


async def test_a_ticket_is_kept_when_the_password_was_not_looked_at(
    start_auth: Start, sql: Connection
) -> None:
    client = await start_auth(**PROXY, sign_in_free_failures_many=1)
    assert await attempt(client, STRANGERS[0]) == 401
    await block(sql)
    assert await attempt(client, HOME) == 429
    await passes(sql, 61)
    await block(sql)
    throttle = client.app[THROTTLE]
    await throttle.abandon(await throttle.begin("admin", HOME))
    assert await attempt(client, HOME, ADMIN["password"]) == 200
    assert await sql.fetchval("SELECT count(*) FROM auth.sign_in_failure WHERE key LIKE '%ticket%'") == 0


async def test_one_address_that_guesses_many_accounts_waits_and_its_neighbours_do_not(
    start_auth: Start, sql: Connection
) -> None:
    client = await start_auth(**PROXY, password_queue=1000)
    assert await attempt(client, HOME, ADMIN["password"]) == 200
    names = [f"user{n}" for n in range(200)]
    found = await asyncio.gather(*(attempt(client, HOME, username=name) for name in names))
    assert set(found) == {401, 429}
    assert await looked_at(client) == found.count(401) <= 21
    # Behind the same address, but known there.
    assert await attempt(client, HOME, ADMIN["password"]) == 200
    assert await sql.fetchval("SELECT count(*) FROM auth.sign_in_failure WHERE key LIKE '%user%'") == 0


async def test_a_name_that_nobody_has_is_held_up_like_another(start_auth: Start) -> None:
    client = await start_auth(**PROXY)
    for name in ("admin", "nobody", "no such name!", "a\0b"):
        address = f"198.51.100.{len(name)}"
        assert [await attempt(client, address, username=name) for _ in range(6)] == [401] * 5 + [429], name


async def test_the_delay_grows_ends_and_is_forgotten(start_auth: Start, sql: Connection) -> None:
    client = await start_auth(**PROXY, sign_in_first_delay_seconds=1, sign_in_longest_delay_seconds=30)

    async def delay() -> float:
        return float(
            await sql.fetchval(
                "SELECT extract(epoch FROM blocked_until - last_at) FROM auth.sign_in_failure"
                " WHERE starts_with(key, 'pair:')"
            )
        )

    async def passes(interval: str) -> None:
        await sql.execute(
            "UPDATE auth.sign_in_failure SET last_at = last_at - $1::text::interval,"
            " blocked_until = blocked_until - $1::text::interval",
            interval,
        )

    seen = []
    for _ in range(12):
        assert await attempt(client, HOME) == 401
        seen.append(round(await delay(), 1))
        await passes("31 s")
    assert seen == [0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert await attempt(client, HOME, ADMIN["password"]) == 200
    assert (
        await sql.fetchval("SELECT count(*) FROM auth.sign_in_failure WHERE starts_with(key, 'pair:')") == 0
    )
    assert [await attempt(client, HOME) for _ in range(4)] == [401] * 4
    await passes("25 h")
    assert [await attempt(client, HOME) for _ in range(5)] == [401] * 5


async def test_sign_ins_that_succeed_leave_nothing_behind(start_auth: Start, sql: Connection) -> None:
    client = await start_auth(**PROXY, sign_in_free_failures_many=2)
    for n in range(6):
        assert await attempt(client, f"2001:db8:{n}::1", ADMIN["password"]) == 200
    assert await sql.fetchval("SELECT coalesce(max(failures), 0) FROM auth.sign_in_failure") == 0
    await client.app[THROTTLE].prune()
    assert await sql.fetchval("SELECT count(*) FROM auth.sign_in_failure") == 0


async def test_addresses_of_one_ipv6_network_are_one(start_auth: Start) -> None:
    client = await start_auth(**PROXY)
    found = [await attempt(client, f"2001:db8::{n}") for n in range(1, 7)]
    assert found == [401] * 5 + [429]


async def test_what_is_claimed_by_a_stranger_counts_for_nothing(start_auth: Start) -> None:
    client = await start_auth()
    found = [await attempt(client, f"198.51.100.{n}") for n in range(6)]
    assert found == [401] * 5 + [429]


async def test_an_administrator_lifts_it(start_auth: Start, sql: Connection) -> None:
    client = await start_auth(**PROXY)
    token = (await sign_in(client))["access_token"]
    assert [await attempt(client, HOME) for _ in range(6)] == [401] * 5 + [429]
    answer = await client.post("/api/auth/users/1/unlock", headers=bearer(token))
    assert answer.status == 204
    assert await attempt(client, HOME, ADMIN["password"]) == 200
    logged = await sql.fetchrow("SELECT object_repr, change_message FROM auth.admin_log ORDER BY id DESC")
    assert logged is not None
    assert (logged["object_repr"], "unlocked" in logged["change_message"]) == ("admin", True)
    for path in ("99", "0", "x"):
        assert (await client.post(f"/api/auth/users/{path}/unlock", headers=bearer(token))).status == 404


async def test_the_table_has_a_greatest_size(start_auth: Start, sql: Connection) -> None:
    client = await start_auth(**PROXY, sign_in_most_counters=100)
    await sql.execute(
        "INSERT INTO auth.sign_in_failure SELECT 'pair:old' || n, 3, now() - interval '25 h', now()"
        " FROM generate_series(1, 50) AS n"
    )
    await sql.execute(
        "INSERT INTO auth.sign_in_failure SELECT 'pair:' || n, 3, now(), now() - n * interval '1 s'"
        " FROM generate_series(1, 5000) AS n"
    )
    await sql.execute(
        "INSERT INTO auth.sign_in_failure"
        " VALUES ('pair:blocked', 9, now() - interval '1 h', now() + interval '1 h')"
    )
    await client.app[THROTTLE].prune()
    kept = {row["key"] for row in await sql.fetch("SELECT key FROM auth.sign_in_failure")}
    assert kept == {"pair:blocked", *(f"pair:{n}" for n in range(1, 100))}
    async with client.get("/metrics") as answer:
        text = await answer.text()
    assert 'auth_throttle_counters{state="all"} 100.0' in text
    assert 'auth_throttle_counters{state="blocked"} 1.0' in text


async def test_a_full_queue_is_nobodys_fault(start_auth: Start, sql: Connection) -> None:
    client = await start_auth(**PROXY, password_queue=1, sign_in_free_failures=50)
    found = await asyncio.gather(*(attempt(client, HOME) for _ in range(10)))
    assert set(found) == {401, 503}
    failures = await sql.fetchval("SELECT failures FROM auth.sign_in_failure WHERE starts_with(key, 'pair:')")
    assert failures == found.count(401)


async def test_strangers_who_fill_the_queue_keep_out_only_each_other(
    start_auth: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await start_auth(**PROXY, password_queue=4, password_workers=4)
    assert await attempt(client, HOME, ADMIN["password"]) == 200
    found = await sign_in(client)
    gate, held = threading.Event(), threading.Semaphore(0)
    verify = PasswordHasher.verify

    def hold(hasher: PasswordHasher, encoded: str, password: str) -> bool:
        if password == "wrong":
            held.release()
            gate.wait(60)
        return verify(hasher, encoded, password)

    monkeypatch.setattr(PasswordHasher, "verify", hold)
    strangers = [
        asyncio.create_task(attempt(client, f"198.51.100.{n}", username=f"user{n}")) for n in range(2)
    ]
    for _ in strangers:
        assert await asyncio.to_thread(held.acquire, timeout=60)
    body = {"username": "another", "password": "wrong"}
    async with client.post("/api/auth/login", json=body, headers=at("198.51.100.9")) as answer:
        assert (answer.status, int(answer.headers["Retry-After"]) >= 1) == (503, True)
    # Who was here before signs in, and who is signed in stays so.
    assert await attempt(client, HOME, ADMIN["password"]) == 200
    assert (await refresh(client, found["refresh_token"]))[0] == 200
    gate.set()
    assert await asyncio.gather(*strangers) == [401, 401]


async def test_guessing_the_present_password_is_held_up_too(start_auth: Start) -> None:
    client = await start_auth()
    headers = bearer((await sign_in(client))["access_token"])
    statuses = []
    for new in ("another good password", "short", *["another good password"] * 6):
        current = ADMIN["password"] if new == "short" else "wrong"
        async with client.put(
            "/api/auth/me/password",
            json={"current_password": current, "new_password": new},
            headers=headers,
        ) as answer:
            statuses.append(answer.status)
    assert statuses == [401, 400, 401, 401, 401, 401, 429, 429]
