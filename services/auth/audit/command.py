"""`python -m services.auth verify-audit` and `export-audit`: prove the log, here or elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from libs.common.audit.acts import entry_of
from libs.common.audit.entries import write
from libs.common.audit.shell import typed
from libs.common.database.migrations import require_current
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, DicomSystemError
from libs.common.resources import service_database
from libs.common.settings.loading import load_settings
from services.auth.audit import archive
from services.auth.audit.anchor import read_anchors
from services.auth.audit.chain import Root, signers_of
from services.auth.audit.proof import Proof, prove
from services.auth.schema import MIGRATIONS
from services.auth.settings import AuthSettings

COMMANDS = ("verify-audit", "export-audit")
BROKEN = 1
NOT_DONE = 2
LINE_SECONDS = 5.0


def run(arguments: Sequence[str], settings: AuthSettings | None = None) -> int:
    """Do what `arguments` say. Returns the exit code: 0 whole, BROKEN, NOT_DONE."""
    options = _parser().parse_args(arguments)
    try:
        settings = settings or load_settings(AuthSettings)
        if options.command == "export-audit":
            options.folder.mkdir(mode=0o700, parents=True)
            count = asyncio.run(_export(settings, options.folder))
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
    verify.add_argument("--json", action="store_true", help="for programs")
    export = commands.add_parser("export-audit", help="write the log and its roots into a new folder")
    export.add_argument("folder", type=Path)
    return parser


def _verified(settings: AuthSettings, options: argparse.Namespace) -> Proof:
    if settings.auth_keyring_file is None:
        raise ConfigurationError("Set AUTH_KEYRING_FILE: without its keys no signature proves anything.")
    _, keys = signers_of(Keyring.load(settings.auth_keyring_file))
    path = options.anchors or settings.audit_anchor_file
    anchors = [] if path is None else list(read_anchors(path))
    if options.folder is not None:
        return archive.prove(options.folder, keys, anchors, _progress())
    return asyncio.run(_prove(settings, keys, anchors))


async def _prove(settings: AuthSettings, keys: Mapping[str, bytes], anchors: Sequence[Root]) -> Proof:
    database = service_database(settings, MIGRATIONS.schema)
    await database.open()
    try:
        await require_current(database, MIGRATIONS)
        async with database.connection() as connection:
            return await prove(connection, keys, anchors, _progress())
    finally:
        await database.close()


async def _export(settings: AuthSettings, folder: Path) -> int:
    database = service_database(settings, MIGRATIONS.schema)
    await database.open()
    try:
        await require_current(database, MIGRATIONS)
        async with database.connection() as connection:
            await write(connection, entry_of(typed("auth", "export-audit"), "success"))
            return await archive.write(connection, folder)
    finally:
        await database.close()


class _progress:
    """Tells how many entries were read: on a terminal all the time, else now and then."""

    def __init__(self) -> None:
        self._began = self._shown = time.monotonic()

    def __call__(self, read: int) -> None:
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if not terminal and now - self._shown < LINE_SECONDS:
            return
        self._shown = now
        line = f"{read} entries, {read / max(now - self._began, 0.001):.0f}/s"
        sys.stderr.write(f"\r{line}" if terminal else f"{line}\n")
        sys.stderr.flush()


def _told(found: Proof) -> dict[str, object]:
    broken = None if found.broken is None else found.broken._asdict()
    return {"entries": found.entries, "last_seq": found.last_seq, "broken": broken}
