"""Copies of keyrings, apart from what they open."""

from __future__ import annotations

import hashlib
from pathlib import Path

from libs.common.encryption.keyring import keep_copy


def keep(keyring: Path, name: str, folder: Path) -> Path:
    """Copy a keyring under the name of its content; the same one is kept once. Raises OSError."""
    content = keyring.read_bytes()
    copy = folder / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.json"
    if not (copy.is_file() and copy.read_bytes() == content):
        keep_copy(content, copy)
    return copy
