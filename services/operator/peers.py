"""`python -m services peers`: who may send by DIMSE, from a shell."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from libs.common.audit.shell import typed
from libs.common.database.postgres import Database
from libs.common.errors import ConfigurationError, RequestError
from libs.common.settings.loading import load_settings
from services.ingest.peers.models import KnownPeer, PeerChange, PeerCreate
from services.ingest.peers.peers import Peers
from services.operator.embedded_access import administrator_url
from services.operator.recording import recorded
from services.operator.settings import OperatorSettings

MOST_LISTED = 10_000
_ACCOUNT = "SELECT id FROM auth.auth_user WHERE lower(username) = lower($1)"


def run(arguments: Sequence[str]) -> int:
    """Do it. Returns the exit code. Raises ConfigurationError and Unavailable."""
    asked = _parser().parse_args(arguments)
    settings = load_settings(OperatorSettings)
    with administrator_url(settings) as url:
        act = typed("operator", f"peers-{asked.action}")
        act.object_type = "peer"
        try:
            return recorded(url, act, lambda: asyncio.run(_run(url, asked)))
        except ValidationError as error:
            wrong = "; ".join(_line(one["loc"], one["msg"]) for one in error.errors())
            raise ConfigurationError(wrong) from None
        except RequestError as error:
            raise ConfigurationError(error.detail) from error


async def _run(url: str, asked: argparse.Namespace) -> int:
    database = Database(url, role="ingest", size=1, timeout=10.0, application_name="peers")
    await database.open()
    try:
        for line in await _done(Peers(database), url, asked):
            sys.stdout.write(f"{line}\n")
    finally:
        await database.close()
    return 0


async def _done(peers: Peers, url: str, asked: argparse.Namespace) -> list[str]:
    """What is printed. Raises RequestError, ConfigurationError, pydantic's ValidationError."""
    if asked.action == "list":
        return [_shown(peer) for peer in await peers.list(None, "", MOST_LISTED)]
    if asked.action == "remove":
        await peers.delete(asked.id)
        return [f"Removed {asked.id}."]
    given = {
        "ae_title": asked.ae_title,
        "addresses": asked.address or None,
        "certificate": asked.certificate,
        "account_id": None if asked.account is None else await _account_id(url, asked.account),
        "collection": asked.collection,
        "port": asked.port,
        "active": asked.active,
        "note": asked.note,
    }
    values = {name: value for name, value in given.items() if value is not None}
    if asked.action == "add":
        return [_shown(await peers.create(PeerCreate.model_validate(values)))]
    if asked.no_certificate:
        values["certificate"] = None
    return [_shown(await peers.change(asked.id, PeerChange.model_validate(values)))]


async def _account_id(url: str, account: str) -> int:
    """By name or number. Raises ConfigurationError."""
    if account.isdecimal():
        return int(account)
    connection = await asyncpg.connect(url, timeout=10)
    try:
        found: int | None = await connection.fetchval(_ACCOUNT, account)
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            "Name the account by its number, or set DATABASE_ADMIN_URL: this login sees no accounts."
        ) from error
    finally:
        await connection.close()
    if found is None:
        raise ConfigurationError(f"There is no account {account}.")
    return found


def _shown(peer: KnownPeer) -> str:
    told = [
        str(peer.id),
        peer.ae_title,
        ",".join(peer.addresses),
        f"account {peer.account_id}",
        peer.collection,
        "active" if peer.active else "inactive",
        *([] if peer.port is None else [f"port {peer.port}"]),
        *([] if peer.certificate is None else [f"certificate {peer.certificate}"]),
        *([peer.note] if peer.note else []),
    ]
    return "  ".join(told)


def _line(place: Sequence[int | str], message: str) -> str:
    return f"{'.'.join(map(str, place))}: {message.removeprefix('Value error, ')}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services peers",
        description="Who may send by DIMSE: an AE title at an address, for which account, and where to.",
    )
    actions = parser.add_subparsers(required=True, dest="action", metavar="list|add|change|remove")
    actions.add_parser("list", help="list all of them")
    add = actions.add_parser("add", help="let one in")
    _fields(add, required=True)
    change = actions.add_parser("change", help="change one")
    change.add_argument("id", type=UUID)
    _fields(change, required=False)
    change.add_argument("--no-certificate", action="store_true", help="it need not show one any more")
    actions.add_parser("remove", help="let one in no longer").add_argument("id", type=UUID)
    return parser


def _fields(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--ae-title", required=required, help="what it calls itself")
    parser.add_argument(
        "--address", action="append", required=required, help="address or network (CIDR); may be repeated"
    )
    parser.add_argument("--account", required=required, help="user name or number of whom it acts for")
    parser.add_argument("--collection", help="where its objects go; else into the account's own")
    parser.add_argument("--certificate", help="SHA-256 fingerprint of the client certificate it must show")
    parser.add_argument("--port", type=int, help="where it takes reports of storage commitment")
    parser.add_argument("--active", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--note")
