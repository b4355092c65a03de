"""What lies on disks: the keyring, the object store, and the room that is left."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from libs.common.encryption.keyring import Keyring
from libs.common.encryption.keyring_content import KeyringContent
from libs.common.errors import ConfigurationError
from libs.common.resources import service_storage
from services.operator.doctor.report import Finding, Level
from services.operator.doctor.settings import DoctorSettings

KEYRING = "keyring"
AUTH_KEYRING = "auth keyring"
STORE = "object store"
SPOOL = "spool"
DISK = "disk"
SCARCE, LOW = 0.05, 0.15
"""Shares of a file system, free: below the first nothing may work any more, below the second it is time."""
GIB = 1 << 30
DAY = 86_400
KEY_DAYS = 400
"""Of a key that is rotated once a year, with weeks to spare; the alert EncryptionKeyOld has the same."""
MAKE_ROOM = "Make room or enlarge the volume: uploads are refused when it is full."


def check_keyring(settings: DoctorSettings) -> list[Finding]:
    """Read it as the services do. Raises ConfigurationError."""
    path = settings.keyring_path
    if settings.keyring_file is None and not path.exists() and not _local_objects(settings):
        return [Finding(KEYRING, "note", f"There is no {path} yet.", "The first `make run` makes it.")]
    ring = Keyring.load(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    findings = [
        Finding(KEYRING, "ok", f"{path} (mode {mode:04o}) is readable; {_told_keys(ring.content)}."),
        *judge_keys(ring.content, datetime.now(UTC)),
    ]
    if mode & stat.S_IWGRP:
        findings.append(Finding(KEYRING, "warning", f"A group may write {path}.", f"Run chmod g-w {path}"))
    return findings


def check_auth_keyring(settings: DoctorSettings) -> list[Finding]:
    """Read auth's own as it does. Raises ConfigurationError."""

    def found(level: Level, what: str, advice: str | None = None) -> list[Finding]:
        return [Finding(AUTH_KEYRING, level, what, advice)]

    path = settings.auth_keyring_path
    if settings.auth_keyring_file is None and not path.exists():
        if settings.database_url is None and settings.database_admin_url is None:
            return found("note", f"There is no {path} yet.", "The first `make run` makes it.")
        return found(
            "warning",
            "AUTH_KEYRING_FILE is not set: the audit log is neither sealed nor proved.",
            "Let it name a keyring of auth's own, another than KEYRING_FILE.",
        )
    ring = Keyring.load(path)
    if settings.keyring_path.exists() and path.read_bytes() == settings.keyring_path.read_bytes():
        what = f"{path} is the keyring of the objects as well."
        return found("problem", what, "Give auth a keyring of its own: it is to open no object.")
    return found("ok", f"{path} is readable; {_told_keys(ring.content)}.")


def _told_keys(content: KeyringContent) -> str:
    seconds = content.age(datetime.now(UTC))
    age = "of unknown age" if seconds is None else f"{int(seconds // DAY)} days old"
    return f"current key {content.current}, {age}, {len(content.former)} former keys"


def judge_keys(content: KeyringContent, now: datetime) -> Iterator[Finding]:
    """What a rotation has left, or is due; pure."""
    if content.next is not None:
        what = f"Key {content.next} waits to be used: a rotation has begun."
        yield Finding(KEYRING, "note", what, "Go on with it: python -m services rotate-keys")
    elif content.former:
        what = f"{len(content.former)} former keys are left: {', '.join(content.former)}."
        yield Finding(KEYRING, "note", what, "See whether anything needs them: rotate-keys --status")
    seconds = content.age(now)
    if seconds is not None and seconds > KEY_DAYS * DAY:
        what = f"The current key is {int(seconds // DAY)} days old."
        yield Finding(KEYRING, "warning", what, "Rotate it once a year: python -m services rotate-keys")


async def check_store(settings: DoctorSettings) -> list[Finding]:
    """Write and remove a probe. Raises ConfigurationError, Unavailable; makes no folder."""
    if _is_local(settings) and not settings.storage_root.is_dir():
        if settings.storage_url is None:
            return [
                Finding(
                    STORE,
                    "note",
                    f"There is no {settings.storage_root} yet.",
                    "The first `make run` makes it.",
                )
            ]
        raise ConfigurationError(f"Mount or make {settings.storage_root}: STORAGE_URL names it.")
    store = service_storage(settings)
    try:
        await store.ready()
        capacity = await store.capacity()
    finally:
        await store.close()
    findings = [Finding(STORE, "ok", "Objects can be written.")]
    if capacity is not None:
        findings.append(judge_room(STORE, "The object store", capacity.free_bytes, capacity.total_bytes))
    return findings


def check_spool(settings: DoctorSettings) -> list[Finding]:
    """Where the processor puts objects from MongoDB while it decodes them."""
    path, needed = settings.spool_path, settings.max_file_bytes
    if not settings.stores_in_mongodb:
        return [Finding(SPOOL, "ok", "Objects are files: decoders read them where they are.")]
    if not path.is_dir():
        if settings.spool_dir is None:
            return [Finding(SPOOL, "note", f"There is no {path} yet.", "The processor makes it.")]
        return [Finding(SPOOL, "problem", f"There is no {path}.", "Mount or make it: SPOOL_DIR names it.")]
    if not os.access(path, os.W_OK | os.X_OK):
        return [
            Finding(SPOOL, "problem", f"{path} cannot be written.", "Let the processor's user write there.")
        ]
    told = os.statvfs(path)
    free = told.f_bavail * told.f_frsize
    what = f"{path} has {free / GIB:.1f} GiB free; the largest file may take {needed / GIB:.1f} GiB."
    if free < needed:
        return [
            Finding(
                SPOOL,
                "warning",
                what,
                "Make room, let SPOOL_DIR name a larger disk, or lower MAX_FILE_BYTES.",
            )
        ]
    return [Finding(SPOOL, "ok", what)]


def check_disks(settings: DoctorSettings) -> list[Finding]:
    """Room and inodes of each file system that is written to."""
    findings = []
    for path in _file_systems(settings):
        told = os.statvfs(path)
        findings.append(
            judge_room(DISK, str(path), told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize)
        )
        if told.f_files and told.f_favail / told.f_files < SCARCE:
            what = f"{path} has {told.f_favail} of {told.f_files} inodes left."
            findings.append(Finding(DISK, "problem", what, MAKE_ROOM))
    return findings


def judge_room(check: str, what: str, free: int, total: int) -> Finding:
    """Whether `free` of `total` bytes will do; pure."""
    share = free / total if total else 0.0
    told = f"{what} has {free / GIB:.1f} of {total / GIB:.1f} GiB free ({share:.0%})."
    if share < SCARCE:
        return Finding(check, "problem", told, MAKE_ROOM)
    return Finding(check, "warning" if share < LOW else "ok", told, MAKE_ROOM if share < LOW else None)


def _file_systems(settings: DoctorSettings) -> Iterator[Path]:
    places = [settings.data_dir, Path(tempfile.gettempdir())]
    if settings.stores_in_mongodb:
        places.append(settings.spool_path)
    seen = set()
    for place in places:
        existing = next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())
        device = existing.stat().st_dev
        if device not in seen:
            seen.add(device)
            yield existing


def _is_local(settings: DoctorSettings) -> bool:
    return settings.storage_url is None or settings.storage_url.startswith("file:")


def _local_objects(settings: DoctorSettings) -> bool:
    return _is_local(settings) and settings.storage_root.is_dir() and any(settings.storage_root.iterdir())
