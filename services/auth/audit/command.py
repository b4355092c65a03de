"""`python -m services.auth verify-audit` and `export-audit`: prove the log, here or elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import orjson

from libs.common.audit.acts import entry_of
from libs.common.audit.entries import write
from libs.common.audit.shell import typed
from libs.common.database.migrations import require_current
from libs.common.database.postgres import Connection
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, DicomSystemError
from libs.common.resources import service_database
from libs.common.settings.loading import load_settings
from services.auth.audit import archive
from services.auth.audit.anchor import noted_heads, read_anchors
from services.auth.audit.chain import signers_of
from services.auth.audit.proof import Proof, prove
from services.auth.schema import MIGRATIONS
from services.auth.settings import AuthSettings

COMMANDS = ("verify-audit", "export-audit")
BROKEN = 1
NOT_DONE = 2
LINE_SECONDS = 5.0
BAR_SECONDS = 0.1
BAR_WIDTH = 30
T = TypeVar("T")


def run(arguments: Sequence[str], settings: AuthSettings | None = None) -> int:
    """Do what `arguments` say. Returns the exit code: 0 whole, BROKEN, NOT_DONE."""
    options = _parser().parse_args(arguments)
    try:
        settings = settings or load_settings(AuthSettings)
        if options.command == "export-audit":
            keys = _keys(settings)
            options.folder.mkdir(mode=0o700, parents=True)
            count = asyncio.run(
                _with_log(settings, lambda log: archive.write(log, options.folder, keys, Shown()))
            )
            sys.stdout.write(f"{count} entries and their signed roots are in {options.folder}.\n")
            return 0
        found = _verified(settings, options)
    except DicomSystemError as error:
        sys.stderr.write(f"{error.detail}\n")
        return NOT_DONE
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'The file'} cannot be read or written: {error.strerror}.\n")
        return NOT_DONE
    if options.json:
        sys.stdout.write(orjson.dumps(_told(found), option=orjson.OPT_APPEND_NEWLINE).decode())
    elif found.broken is None:
        sys.stdout.write(f"The audit log is whole: {found.entries} entries, up to number {found.last_seq}.\n")
    else:
        sys.stdout.write(f"The audit log is broken ({found.broken.kind}): {found.broken.detail}.\n")
    return 0 if found.broken is None else BROKEN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.auth")
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser(
        "verify-audit", help="see that no entry was changed, removed, added or moved"
    )
    verify.add_argument("folder", nargs="?", type=Path, help="an export, instead of the database")
    verify.add_argument(
        "--anchors", type=Path, help="heads that were noted outside; unset: AUDIT_ANCHOR_FILE"
    )
    verify.add_argument(
        "--keys", type=Path, help="public keys, as an export's keys.json; unset: those of AUTH_KEYRING_FILE"
    )
    verify.add_argument("--json", action="store_true", help="for programs")
    export = commands.add_parser("export-audit", help="write the log and its roots into a new folder")
    export.add_argument("folder", type=Path)
    return parser


def _verified(settings: AuthSettings, options: argparse.Namespace) -> Proof:
    keys = _keys(settings) if options.keys is None else archive.read_keys(options.keys)
    path = settings.audit_anchor_file
    # Heads that are named must be there; those of the settings may not have been noted yet.
    anchors = noted_heads(path) if options.anchors is None else list(read_anchors(options.anchors))
    if options.folder is not None:
        return archive.prove(options.folder, keys, anchors, Shown())
    return asyncio.run(_with_log(settings, lambda log: prove(log, keys, anchors, Shown())))


def _keys(settings: AuthSettings) -> Mapping[str, bytes]:
    if settings.auth_keyring_file is None:
        raise ConfigurationError("Set AUTH_KEYRING_FILE: without its keys no signature proves anything.")
    return signers_of(Keyring.load(settings.auth_keyring_file))[1]


async def _with_log(settings: AuthSettings, work: Callable[[Connection], Awaitable[T]]) -> T:
    database = service_database(settings, MIGRATIONS.schema)
    await database.open()
    try:
        await require_current(database, MIGRATIONS)
        async with database.connection() as connection:
            return await work(connection)
    finally:
        await database.close()


async def _export(folder: Path, keys: Mapping[str, bytes], log: Connection) -> int:
    await write(log, entry_of(typed("auth", "export-audit"), "success"))
    return await archive.write(log, folder, keys, Shown())


class Shown:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self) -> None:
        self._began = self._shown = time.monotonic()

    def __call__(self, read: int, total: int) -> None:
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if now - self._shown < (BAR_SECONDS if terminal else LINE_SECONDS) and read != total:
            return
        self._shown = now
        line = bar(read, total, now - self._began)
        if terminal:
            sys.stderr.write(f"\r{line}" + ("\n" if read == total else ""))
        elif read != total:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def bar(read: int, total: int, seconds: float) -> str:
    """How far it is: `[######    ]  60% 600000 of 1000000, 41000/s, 9 s left`; pure."""
    share = read / total if total else 1.0
    rate = read / max(seconds, 0.001)
    filled = "#" * int(share * BAR_WIDTH)
    left = (total - read) / rate if rate else 0.0
    return f"[{filled:<{BAR_WIDTH}}] {share:4.0%} {read} of {total}, {rate:.0f}/s, {left:.0f} s left "


def _told(found: Proof) -> dict[str, object]:
    broken = None if found.broken is None else found.broken._asdict()
    return {"entries": found.entries, "last_seq": found.last_seq, "broken": broken}
