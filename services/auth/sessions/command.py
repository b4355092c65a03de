"""`python -m services rotate-signing-key`: another key for access tokens, without a sign-in or a pause."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from libs.common.audit.shell import typed
from libs.common.database.migrations import require_current
from libs.common.database.postgres import Database
from libs.common.errors import ConfigurationError, DicomSystemError
from libs.common.resources import service_database
from libs.common.settings.loading import load_settings
from services.auth.command import recorded
from services.auth.schema import MIGRATIONS
from services.auth.sessions import store
from services.auth.sessions.key_rotation import LEAD_SECONDS, How, rotate
from services.auth.sessions.models import SigningKeyTimes
from services.auth.settings import AuthSettings

COMMANDS = ("rotate-signing-key",)


def run(arguments: Sequence[str], settings: AuthSettings | None = None) -> int:
    """Do what `arguments` say; the first one is of COMMANDS. Returns the exit code.

    `settings` None: those of the environment.
    """
    asked = _parse(arguments[1:])
    try:
        print(asyncio.run(_run(settings or load_settings(AuthSettings), asked)))
    except DicomSystemError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="rotate-signing-key",
        description="Replace the key that signs access tokens. The new one is published first, signs when "
        "every service knows it, and the old one is published until its last token has ended.",
    )
    parser.add_argument("--status", action="store_true", help="say which keys there are; change nothing")
    parser.add_argument("--now", action="store_true", help="let the new key sign within seconds")
    parser.add_argument(
        "--revoke",
        action="store_true",
        help="with --now, for a key that has leaked: every token that was signed so far is refused "
        "everywhere within half a minute; clients refresh theirs",
    )
    parser.add_argument(
        "--lead",
        type=float,
        default=LEAD_SECONDS,
        metavar="SECONDS",
        help=f"how long it is published before it signs ({LEAD_SECONDS:.0f})",
    )
    asked = parser.parse_args(arguments)
    if asked.revoke and not asked.now:
        parser.error("--revoke goes with --now")
    if not 0 <= asked.lead < float("inf"):
        parser.error("--lead takes seconds, not below 0")
    return asked


async def _run(settings: AuthSettings, asked: argparse.Namespace) -> str:
    database = service_database(settings, MIGRATIONS.schema)
    await database.open()
    try:
        await require_current(database, MIGRATIONS)
        if asked.status:
            async with database.connection() as connection:
                return told(await store.signing_key_times(connection))
        return await recorded(database, typed("auth", "rotate-signing-key"), lambda: _rotate(database, asked))
    finally:
        await database.close()


async def _rotate(database: Database, asked: argparse.Namespace) -> str:
    how: How = "revoke" if asked.revoke else "at once" if asked.now else "in time"
    async with database.transaction() as connection:
        if not await store.signing_key_times(connection):
            raise ConfigurationError("There is no signing key yet: auth makes the first when it starts.")
        return told(await rotate(connection, how, asked.lead))


def told(keys: Sequence[SigningKeyTimes]) -> str:
    """A line for each key, the newest first."""
    return "\n".join(f"{key.kid}  {_state(key)}" for key in keys)


def _state(key: SigningKeyTimes) -> str:
    if key.revoked_at is not None:
        return f"revoked at {key.revoked_at:%Y-%m-%d %H:%M:%S} UTC: its tokens are refused"
    if not key.published:
        return f"gone since {key.ends_at:%Y-%m-%d %H:%M:%S} UTC"
    begins = f"{'signs' if key.signs_in > 0 else 'has signed'} from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC on"
    return begins if key.ends_at is None else f"{begins}, published until {key.ends_at:%Y-%m-%d %H:%M:%S} UTC"
