"""`python -m services rotate-keys`: another key for the objects, while the system runs.

Added first, so that every process knows it; current then; and when all objects are under it, nothing needs
the former ones. Each step is seen in the keyring's file or in the objects' headers: a command that was killed
goes on when it is given again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path

from libs.common.audit.acts import Act
from libs.common.audit.shell import typed
from libs.common.encryption.followed import LOOK_SECONDS
from libs.common.encryption.keyring import Keyring
from libs.common.encryption.keyring_content import KeyringContent
from libs.common.errors import ConfigurationError
from libs.common.resources import open_storage
from libs.common.settings.loading import load_settings
from libs.common.storage import Storage
from services.operator.embedded_access import administrator_url
from services.operator.keyring_copies import keep
from services.operator.progress import Progress
from services.operator.recording import announced
from services.operator.rotation.keyring_file import KeyringFile
from services.operator.rotation.objects import Found, count, names_of_all, rewrap_all
from services.operator.rotation.report import told_keys, told_trouble
from services.operator.settings import OperatorSettings

STEPS = ("add", "switch", "rewrap", "remove")
SETTLE_SECONDS = 5 * LOOK_SECONDS
NEEDED = 1
"""Exit code where a former key is still needed, or an object cannot be opened."""


def run(arguments: Sequence[str]) -> int:
    """Do it. Returns the exit code."""
    asked = _parse(arguments)
    if asked.file is not None:
        return _edit(KeyringFile(asked.file, in_place=asked.in_place), asked)
    settings = load_settings(OperatorSettings)
    if asked.status:
        return _Rotation(settings, asked, None).status()
    with administrator_url(settings) as url:
        act = typed("operator", "rotate-keys")
        # That it goes on with exit code 1 is no error: what it did is done.
        return announced(url, act, _Rotation(settings, asked, act).run, (0, NEEDED))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="rotate-keys",
        description="Put every object under a new key, in place and beside the running system. Goes on with "
        "a rotation that was cut, else begins one. Exit codes: 0 done, 1 something still needs a former key.",
    )
    parser.add_argument(
        "--status", action="store_true", help="say which keys there are and how many objects each opens"
    )
    parser.add_argument("--step", choices=STEPS, help="this one only: where the keyring comes from elsewhere")
    parser.add_argument(
        "--new-key", action="store_true", help="begin another rotation though former keys are left"
    )
    parser.add_argument(
        "--remove-old", action="store_true", help="at the end take out the keys that nothing needs"
    )
    parser.add_argument(
        "--keyring-folder",
        type=Path,
        metavar="FOLDER",
        help="keep copies of the keyring there: older backups need the keys that are removed",
    )
    parser.add_argument(
        "--forget", action="store_true", help="remove without a copy: older backups are then lost for good"
    )
    parser.add_argument(
        "--settle",
        type=_seconds,
        default=SETTLE_SECONDS,
        metavar="SECONDS",
        help=f"how long until every process has read a change of the file ({SETTLE_SECONDS:.0f})",
    )
    parser.add_argument(
        "--per-second", type=_rate, metavar="N", help="rewrap at most so many objects a second"
    )
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help="do the step on this keyring, which another system reads"
    )
    parser.add_argument(
        "--in-place",
        action="store_true",
        help="with --file: keep the inode, as a file in a container needs it",
    )
    parser.add_argument(
        "--without-scan",
        action="store_true",
        help="with --file: remove the former keys although no object can be seen from here",
    )
    asked = parser.parse_args(arguments)
    if asked.file is not None and asked.step in (None, "rewrap"):
        parser.error("--file takes --step add, switch or remove")
    if asked.file is None and (asked.in_place or asked.without_scan):
        parser.error("--in-place and --without-scan go with --file")
    removes = asked.remove_old or asked.step == "remove"
    if removes and asked.keyring_folder is None and not asked.forget:
        parser.error("removing keys takes --keyring-folder FOLDER, or --forget")
    if asked.file is not None and asked.step == "remove" and not asked.without_scan:
        parser.error("look with --status where the objects are, then say --without-scan")
    return asked


def _seconds(text: str) -> float:
    if not 0 <= (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError("seconds, not below 0")
    return number


def _rate(text: str) -> float:
    if not 0 < (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError("a number above 0")
    return number


def _edit(file: KeyringFile, asked: argparse.Namespace) -> int:
    """One step on a file that is not this system's own; nobody's audit log is here."""
    with file.alone():
        if asked.step == "remove":
            _keep(file, asked.keyring_folder)
            content = file.remove(file.read().former)
        else:
            content = {"add": file.add, "switch": file.switch}[asked.step]()
        _keep(file, asked.keyring_folder)
    sys.stdout.write(told_keys(file.path, content, None, datetime.now(UTC)))
    return 0


def _keep(file: KeyringFile, folder: Path | None) -> None:
    if folder is None:
        return
    try:
        keep(file.path, "keyring", folder)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written ({error.strerror}).") from error


class _Rotation:
    def __init__(self, settings: OperatorSettings, asked: argparse.Namespace, act: Act | None) -> None:
        """`act` is told what is done."""
        self._settings = settings
        self._asked = asked
        self._act = act
        self._file = KeyringFile(settings.keyring_path)

    def status(self) -> int:
        """Which keys there are, and what they open."""
        found = self._with_storage(self._names)
        content = self._file.read()
        sys.stdout.write(told_keys(self._file.path, content, found, datetime.now(UTC)) + told_trouble(found))
        return NEEDED if found.missing or any(found.named[former] for former in content.former) else 0

    def run(self) -> int:
        """What was asked for, or what comes next of all."""
        with self._file.alone():
            if self._asked.step is not None:
                steps = {
                    "add": self._add,
                    "switch": self._switch,
                    "rewrap": self._rewrap,
                    "remove": self._remove,
                }
                return steps[self._asked.step]()
            content = self._file.read()
            if content.next is None and (self._asked.new_key or not content.former):
                self._add()
            content = self._file.read()
            if content.next is not None:
                self._settle(content.made_at(content.next))
                self._switch()
            code = self._rewrap()
            return self._remove() or code if self._asked.remove_old else code

    def _add(self) -> int:
        content = self._file.add()
        self._note(added=content.next)
        _keep(self._file, self._asked.keyring_folder)
        _say(f"Key {content.next} is in {self._file.path}: keep a copy of it before it is used.")
        return 0

    def _switch(self) -> int:
        content = self._file.switch()
        self._note(current=content.current)
        _keep(self._file, self._asked.keyring_folder)
        _say(f"Key {content.current} encrypts new objects from now on.")
        return 0

    def _rewrap(self) -> int:
        content = self._file.read()
        self._note(current=content.current)
        found, changed = self._with_storage(self._rewrapped), 0
        changed = found.changed
        self._note(rewrapped=changed)
        # An object that was about to appear when the key changed.
        self._settle(content.since)
        while (again := self._with_storage(self._rewrapped)).changed:
            changed += again.changed
            self._note(rewrapped=changed)
        _say(f"{changed} objects were put under key {content.current}, {again.objects} are there.")
        sys.stdout.write(told_trouble(again))
        if content.former and not self._asked.remove_old:
            _say(f"Former keys are still in the keyring: {', '.join(content.former)} (--remove-old).")
        return NEEDED if again.missing else 0

    def _remove(self) -> int:
        content = self._file.read()
        self._settle(content.since)
        found = self._with_storage(self._names)
        needed = [former for former in content.former if found.named[former]]
        free = [former for former in content.former if not found.named[former]]
        if free:
            _keep(self._file, self._asked.keyring_folder)
            self._file.remove(free)
            _keep(self._file, self._asked.keyring_folder)
            self._note(removed=free)
            _say(f"Removed, since nothing needs them: {', '.join(free)}.")
        for former in needed:
            _say(f"Key {former} stays: {found.named[former]} objects need it. Rewrap them first.")
        return NEEDED if needed else 0

    def _settle(self, since: datetime | None) -> None:
        """Wait until whoever reads the file has seen what was changed at `since`."""
        passed = float("inf") if since is None else (datetime.now(UTC) - since).total_seconds()
        rest = self._asked.settle - max(0.0, passed)
        if rest > 0:
            _say(f"Waiting {rest:.0f} s until every process has read the keyring.")
            time.sleep(rest)

    def _with_storage(self, work: Callable[[Storage, KeyringContent], Coroutine[None, None, Found]]) -> Found:
        async def opened() -> Found:
            ring = Keyring.load(self._file.path)
            storage = open_storage(self._settings, ring)
            try:
                return await work(storage, ring.content)
            finally:
                await storage.close()

        return asyncio.run(opened())

    async def _rewrapped(self, storage: Storage, content: KeyringContent) -> Found:
        progress = Progress(sys.stderr, "objects rewrapped or seen to be")
        progress.total = await count(storage)
        found = await rewrap_all(storage, content.keys, progress.show, self._asked.per_second)
        progress.end(found.objects)
        return found

    async def _names(self, storage: Storage, content: KeyringContent) -> Found:
        progress = Progress(sys.stderr, "objects looked at")
        progress.total = await count(storage)
        found = await names_of_all(storage, content.keys, progress.show)
        progress.end(found.objects)
        return found

    def _note(self, **details: object) -> None:
        if self._act is not None:
            self._act.details.update(details)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
