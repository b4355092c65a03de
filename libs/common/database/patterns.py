"""Patterns of LIKE; pure."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\%_])")


def contains(text: str) -> str:
    """The pattern of what holds `text` anywhere."""
    return "%" + _SPECIAL.sub(r"\\\1", text) + "%"
