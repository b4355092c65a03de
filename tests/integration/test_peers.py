"""Peers on PostgreSQL: which of them a caller is, and when their account's rights let them in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import orjson
import pytest

from libs.common.database.postgres import Database
from libs.common.errors import InvalidRequest, NotFound
from libs.common.ids import new_uuid
from services.ingest.dimse.callers import Calling, Stranger
from services.ingest.peers import store
from services.ingest.peers.models import PeerChange, PeerCreate
from services.ingest.peers.peers import Peers
from tests.commands import run_command
from tests.fixtures_postgres import OpenDatabase

Account = Callable[..., Awaitable[int]]
SHOWN = "ab" * 32


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    return await open_database("ingest")


@pytest.fixture
def account(sql: Any) -> Account:
    """Makes an account in the group `uploader`, or in none."""

    async def make(name: str, *, sends: bool = True, superuser: bool = False) -> int:
        made: int = await sql.fetchval(
            "INSERT INTO auth.auth_user (username, password, is_superuser) VALUES ($1, 'x', $2) RETURNING id",
            name,
            superuser,
        )
        if sends:
            await sql.execute(
                "INSERT INTO auth.auth_user_groups (user_id, group_id) "
                "SELECT $1, id FROM auth.auth_group WHERE name = 'uploader'",
                made,
            )
        return made

    return make


def calling(ae_title: str, address: str, certificate: str | None = None) -> Calling:
    return Calling(ae_title, ip_address(address), certificate)


async def test_the_narrowest_network_counts(database: Database, account: Account) -> None:
    peers, ct, mr = Peers(database), await account("ct"), await account("mr")
    await peers.create(PeerCreate(ae_title="SCANNER", addresses=["10.0.0.0/8", "fd00::/8"], account_id=ct))
    await peers.create(PeerCreate(ae_title="SCANNER", addresses=["10.1.2.7", "192.0.2.1"], account_id=mr))
    found = await peers.identify(calling("SCANNER", "10.1.2.8"))
    assert (found.actor, found.sender.collection) == (f"user:{ct}", f"user:{ct}")
    assert (await peers.identify(calling("SCANNER", "10.1.2.7"))).actor == f"user:{mr}"
    assert (await peers.identify(calling("SCANNER", "fd00::7"))).actor == f"user:{ct}"
    for ae_title, address in (("SCANNER", "11.1.2.7"), ("scanner", "10.1.2.7"), ("OTHER", "10.1.2.7")):
        with pytest.raises(Stranger):
            await peers.identify(calling(ae_title, address))


async def test_a_certificate_that_must_be_shown(database: Database, account: Account) -> None:
    peers, one, other = Peers(database), await account("one"), await account("other")
    spelt = ":".join("AB" for _ in range(32))
    made = await peers.create(
        PeerCreate(ae_title="X", addresses=["10.0.0.0/8"], account_id=one, certificate=spelt)
    )
    assert made.certificate == SHOWN
    for shown in (None, "cd" * 32):
        with pytest.raises(Stranger):
            await peers.identify(calling("X", "10.1.1.1", shown))
    await peers.create(PeerCreate(ae_title="X", addresses=["10.1.1.1"], account_id=other))
    assert (await peers.identify(calling("X", "10.1.1.1", SHOWN))).actor == f"user:{one}"
    assert (await peers.identify(calling("X", "10.1.1.1"))).actor == f"user:{other}"


async def test_the_accounts_rights_count_when_it_calls(
    database: Database, account: Account, sql: Any
) -> None:
    peers, sender = Peers(database), await account("sender")
    made = await peers.create(PeerCreate(ae_title="CT", addresses=["10.1.1.1"], account_id=sender))
    here = calling("CT", "10.1.1.1")
    assert (await peers.identify(here)).acting_as == f"peer:{made.id}"
    await sql.execute("UPDATE auth.auth_user SET is_active = false WHERE id = $1", sender)
    with pytest.raises(Stranger):
        await peers.identify(here)
    async with database.connection() as connection:
        assert await store.count_silenced(connection) == (1, 1)
    await sql.execute("UPDATE auth.auth_user SET is_active = true WHERE id = $1", sender)
    await sql.execute("DELETE FROM auth.auth_user_groups WHERE user_id = $1", sender)
    with pytest.raises(Stranger):
        await peers.identify(here)
    await sql.execute("UPDATE auth.auth_user SET is_superuser = true WHERE id = $1", sender)
    await peers.identify(here)
    await peers.change(made.id, PeerChange(active=False))
    with pytest.raises(Stranger):
        await peers.identify(here)


async def test_a_groups_collection(database: Database, account: Account, sql: Any) -> None:
    peers, sender = Peers(database), await account("sender")
    group = await sql.fetchval(
        "INSERT INTO auth.auth_group (name, mode) VALUES ('ward', 'view') RETURNING id"
    )
    wanted = PeerCreate(ae_title="CT", addresses=["10.1.1.1"], account_id=sender, collection=f"group:{group}")
    with pytest.raises(InvalidRequest, match="does not manage"):
        await peers.create(wanted)
    await sql.execute("INSERT INTO auth.auth_user_groups (user_id, group_id) VALUES ($1, $2)", sender, group)
    with pytest.raises(InvalidRequest, match="does not manage"):
        await peers.create(wanted)
    await sql.execute("UPDATE auth.auth_group SET mode = 'manage' WHERE id = $1", group)
    made = await peers.create(wanted)
    assert (await peers.identify(calling("CT", "10.1.1.1"))).sender.collection == f"group:{group}"
    await peers.delete(made.id)
    with pytest.raises(NotFound):
        await peers.get(made.id)
    with pytest.raises(NotFound):
        await peers.change(new_uuid(), PeerChange(note="x"))


async def test_who_may_not_send_makes_no_peer(database: Database, account: Account) -> None:
    peers, silent = Peers(database), await account("silent", sends=False)
    for account_id, wrong in ((silent, "add_dicomfile"), (10**9, "no active account")):
        with pytest.raises(InvalidRequest, match=wrong):
            await peers.create(PeerCreate(ae_title="CT", addresses=["10.1.1.1"], account_id=account_id))


async def test_ingest_learns_nothing_more_of_accounts(database: Database, account: Account) -> None:
    sender = await account("sender")
    async with database.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM auth.may_send($1, $2)", sender, f"user:{sender}")
        assert dict(row or {}) == {"active": True, "may_add": True, "may_manage": True}
        with pytest.raises(Exception, match="permission denied"):
            await connection.fetchrow("SELECT * FROM auth.auth_user")
    peers = Peers(database)
    for number in range(3):
        await peers.create(
            PeerCreate(ae_title=f"P{number}", addresses=["10.1.1.1"], account_id=sender, note="50 % of beds")
        )
    assert [peer.ae_title for peer in await peers.list(None, "p1", 10)] == ["P1"]
    assert [peer.ae_title for peer in await peers.list(None, "50 % BEDS", 2)] == ["P2", "P1"]
    newest = await peers.list(None, "", 1)
    assert [peer.ae_title for peer in await peers.list(newest[0].id, "", 10)] == ["P1", "P0"]


async def test_from_a_shell(database_url: str, account: Account, sql: Any) -> None:
    """By the administrator's login, and as nobody else could."""
    await account("ct-room")

    async def typed(*arguments: str, code: int = 0) -> str:
        env = {"DATABASE_URL": database_url}
        done = await asyncio.to_thread(run_command, "services", "peers", *arguments, env=env)
        assert done.returncode == code, done
        return done.stdout if code == 0 else done.stderr

    made = await typed("add", "--ae-title", "CT", "--address", "10.1.2.0/24", "--account", "CT-Room")
    peer_id = made.split()[0]
    assert "CT  10.1.2.0/24  account" in made
    assert "There is no account nobody" in await typed(
        "add", "--ae-title", "CT", "--address", "10.1.2.3", "--account", "nobody", code=1
    )
    assert "ae_title: an AE title is" in await typed(
        "add", "--ae-title", "A\\B", "--address", "10.1.2.3", "--account", "1", code=1
    )
    assert "addresses" in await typed("change", peer_id, "--address", "10.1.2.3/99", code=1)
    assert "inactive" in await typed("change", peer_id, "--no-active", "--certificate", SHOWN)
    assert SHOWN in await typed("list")
    assert SHOWN not in await typed("change", peer_id, "--no-certificate")
    await typed("remove", peer_id)
    assert await typed("list") == ""
    assert "There is no peer" in await typed("remove", peer_id, code=1)
    entries = [orjson.loads(row[0]) for row in await sql.fetch("SELECT entry::text FROM auth.audit_pending")]
    told = [(one["action"], one["ending"]) for one in entries if one["ending"] == "success"]
    assert ("command.peers-add", "success") in told
    assert ("command.peers-remove", "success") in told
