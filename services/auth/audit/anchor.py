"""The head of the log, noted outside PostgreSQL: who cuts the end of the log cannot cut it here as well."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from services.auth.audit.chain import Root
from services.auth.audit.verification import SignedRoot

log = logging.getLogger(__name__)


ROTATE_BYTES = 1 << 20
"""Then the file becomes the one before, and a new one is begun: the newest head covers all before it."""


class Anchor:
    """A file of JSON lines, one head each, and one before it; appended to, never rewritten."""

    def __init__(self, path: Path) -> None:
        """`path` is AUDIT_ANCHOR_FILE; its folder exists."""
        self._path = path

    def note(self, head: SignedRoot) -> bool:
        """Add a head; False where it cannot be written, which is logged: the log itself is sealed already."""
        line = head_line(head)
        try:
            if self._path.exists() and self._path.stat().st_size >= ROTATE_BYTES:
                self._path.replace(earlier(self._path))
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.error("the head of the audit log is not noted in AUDIT_ANCHOR_FILE: %s", error.strerror)
            return False
        return True


def earlier(path: Path) -> Path:
    """Where the heads are that were noted before those in `path`."""
    return path.with_name(f"{path.name}.1")


def head_line(head: SignedRoot) -> bytes:
    """A head as a line of JSON."""
    facts = {
        **head.root._asdict(),
        "previous": head.root.previous.hex(),
        "root": head.root.root.hex(),
        "key_id": head.key_id,
        "signature": head.signature.hex(),
    }
    return orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE)


def read_head(facts: dict[str, Any]) -> SignedRoot:
    """What `head_line` wrote. Raises KeyError, TypeError, ValueError."""
    root = Root(
        int(facts["batch"]),
        int(facts["first_seq"]),
        int(facts["last_seq"]),
        bytes.fromhex(facts["previous"]),
        bytes.fromhex(facts["root"]),
        datetime.fromisoformat(facts["sealed_at"]),
    )
    return SignedRoot(root, str(facts["key_id"]), bytes.fromhex(facts["signature"]))


def read_anchors(path: Path) -> Iterator[Root]:
    """Heads as they were noted; a line that was cut off by a crash is passed over. Raises OSError."""
    for part in (earlier(path), path):
        if part != path and not part.exists():
            continue
        with part.open("rb") as lines:
            for line in lines:
                try:
                    yield read_head(orjson.loads(line)).root
                except (KeyError, TypeError, ValueError):
                    log.warning("a line of %s is no head of an audit log", part.name)


def noted_heads(path: Path | None) -> list[Root]:
    """What was noted so far; nothing where there is no file, or none yet. Raises OSError."""
    if path is None or not (path.exists() or earlier(path).exists()):
        return []
    return list(read_anchors(path))
