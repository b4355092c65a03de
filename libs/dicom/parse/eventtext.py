"""Text of the header that may travel in events: bounded, free of what breaks those who store or show it."""

from __future__ import annotations

import re

LONGEST = 64
"""Characters; what a UID, the longest of the coded values, may have (PS3.5 6.2)."""

_UNCLEAN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]+")
"""NUL and other control characters, lone surrogates."""


def event_text(text: str) -> str:
    """Give at most LONGEST characters of a text, a space for each run of those that may not travel."""
    return _UNCLEAN.sub(" ", text).strip()[:LONGEST].rstrip()
