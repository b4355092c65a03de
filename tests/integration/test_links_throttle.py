"""Guessing at links: few passwords are looked at, nobody is locked out for good, others are not held up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from libs.common.database.postgres import Connection
from services.results.links import throttle
from services.results.links.throttle import FREE, FREE_MANY, LONGEST, LONGEST_OF_LINK
from tests.exposition import Exposition
from tests.links_support import PASSWORD, PROXY, make, present
from tests.results_support import running_results
from tests.sharing_support import ANA, Sharing

HOME = "192.0.2.7"
ELSEWHERE = "198.51.100.9"
UNKNOWN = "dpl_" + "x" * 43


@pytest.fixture(autouse=True)
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait is over by itself while a test runs."""
    monkeypatch.setattr(throttle, "FIRST_DELAY", 60.0)


@pytest.fixture
async def sharing(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Sharing]:
    """One replica behind a proxy that says whence its requests come."""
    async with running_results(role_url("results"), tmp_path, **PROXY) as running:
        yield Sharing(running)


async def attempt(
    sharing: Sharing, token: str, password: str | None = "not the password", address: str = HOME
) -> int:
    answer = await present(sharing, token, password, address)
    if answer.status == 429:
        assert int(answer.headers["Retry-After"]) >= 1
        assert (await answer.json())["code"] == "too-many-requests"
    return answer.status


async def outcomes(sharing: Sharing) -> dict[str, float]:
    async with sharing.results.client.get("/metrics") as answer:
        samples = Exposition(await answer.text()).samples
    return {
        sample.labels["outcome"]: sample.value
        for sample in samples
        if sample.name == "results_link_openings_total"
    }


async def let_pass(sql: Connection) -> None:
    """As if the longest delay were over, and no more than that."""
    longest = LONGEST + 1.0  # the clock goes on within a statement
    assert await sql.fetchval(
        "SELECT bool_and(blocked_until <= last_at + $1 * interval '1 s') FROM results.link_failure", longest
    )
    await sql.execute(
        "UPDATE results.link_failure SET last_at = last_at - $1 * interval '1 s',"
        " blocked_until = blocked_until - $1 * interval '1 s'",
        longest,
    )


async def test_from_one_address_few_passwords_are_looked_at(sharing: Sharing, sql: Connection) -> None:
    link = await make(sharing, ANA, file_id=await sharing.file(), password=PASSWORD)
    at_once = await asyncio.gather(*(attempt(sharing, link["token"]) for _ in range(60)))
    assert set(at_once) == {401, 429}
    assert at_once.count(401) <= FREE
    assert await attempt(sharing, link["token"], PASSWORD) == 429
    assert await attempt(sharing, link["token"], PASSWORD, ELSEWHERE) == 200
    counted = await outcomes(sharing)
    assert counted["wrong-password"] == at_once.count(401)
    assert counted["throttled"] == at_once.count(429) + 1
    await let_pass(sql)
    assert await attempt(sharing, link["token"], PASSWORD) == 200


async def test_from_many_addresses_a_link_is_held_up_for_a_minute_at_most(
    sharing: Sharing, sql: Connection
) -> None:
    file_id = await sharing.file()
    link, other = [await make(sharing, ANA, file_id=file_id, password=PASSWORD) for _ in range(2)]
    looked_at = 0
    for _ in range(12):
        statuses = [
            await attempt(sharing, link["token"], address=f"198.51.{n}.1") for n in range(FREE_MANY + 5)
        ]
        looked_at += statuses.count(401)
        assert statuses[-1] == 429
        assert await sql.fetchval(
            "SELECT bool_and(blocked_until - clock_timestamp() <= $1 * interval '1 s')"
            " FROM results.link_failure"
            " WHERE starts_with(key, 'link:')",
            LONGEST_OF_LINK,
        )
        assert await attempt(sharing, link["token"], PASSWORD, HOME) == 429
        assert await attempt(sharing, other["token"], PASSWORD, HOME) == 200
        await let_pass(sql)
    # After the first ones, one guess for each time that passes.
    assert looked_at <= FREE_MANY + 12
    assert await attempt(sharing, link["token"], PASSWORD, HOME) == 200


async def test_guessing_at_tokens_holds_up_the_address_and_nobody_else(
    sharing: Sharing, sql: Connection
) -> None:
    link = await make(sharing, ANA, file_id=await sharing.file())
    statuses = [await attempt(sharing, f"{UNKNOWN[:-2]}{n:02}", None) for n in range(FREE_MANY + 5)]
    assert statuses == [404] * FREE_MANY + [429] * 5
    assert await attempt(sharing, link["token"], None) == 429, "what is right answers no differently"
    assert await attempt(sharing, link["token"], None, ELSEWHERE) == 200
    await let_pass(sql)
    assert await attempt(sharing, link["token"], None) == 200


async def test_a_subscriber_has_one_count_whatever_their_address(sharing: Sharing) -> None:
    link = await make(sharing, ANA, file_id=await sharing.file(), password=PASSWORD)
    statuses = [await attempt(sharing, link["token"], address=f"2001:db8::{n:x}") for n in range(1, 10)]
    assert statuses == [401] * FREE + [429] * (9 - FREE)


async def test_who_opens_a_link_as_meant_is_never_held_up(sharing: Sharing, sql: Connection) -> None:
    file_id = await sharing.file()
    plain, closed = await make(sharing, ANA, file_id=file_id), None
    closed = await make(sharing, ANA, file_id=file_id, password=PASSWORD)
    for _ in range(FREE_MANY * 2):
        assert await attempt(sharing, plain["token"], None) == 200
        assert await attempt(sharing, closed["token"], None) == 401
    assert await sql.fetchval("SELECT count(*) FROM results.link_failure") == 0
    for _ in range(FREE * 2):
        assert await attempt(sharing, closed["token"], PASSWORD) == 200
    assert await sql.fetchval("SELECT coalesce(max(failures), 0) FROM results.link_failure") == 0


async def test_the_right_password_starts_the_count_anew(sharing: Sharing) -> None:
    link = await make(sharing, ANA, file_id=await sharing.file(), password=PASSWORD)
    for _ in range(2):
        for _ in range(FREE - 1):
            assert await attempt(sharing, link["token"]) == 401
        assert await attempt(sharing, link["token"], PASSWORD) == 200


async def test_replicas_count_together(role_url: Callable[[str], str], tmp_path: Path) -> None:
    async with (
        running_results(role_url("results"), tmp_path, **PROXY) as first,
        running_results(role_url("results"), tmp_path, **PROXY) as second,
    ):
        replicas = [Sharing(first), Sharing(second)]
        link = await make(replicas[0], ANA, file_id=await replicas[0].file(), password=PASSWORD)
        statuses = [await attempt(replicas[n % 2], link["token"]) for n in range(FREE * 2)]
        assert statuses == [401] * FREE + [429] * FREE
