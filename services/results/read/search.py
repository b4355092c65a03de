"""What a reader may mean by `q=` and `device=`, as patterns for LIKE; pure."""

from __future__ import annotations

import contextlib
import re
from typing import NamedTuple
from uuid import UUID

from libs.common.database.patterns import contains
from services.results.folding import fold

_MAYBE_UID = re.compile(r"[0-9][!-~]{0,63}")


class Search(NamedTuple):
    """The readings of one `q`."""

    words: tuple[str, ...]
    """Patterns of its words as the column `search` is folded: all must be there, in any order."""
    words_as_typed: tuple[str, ...]
    """The same before folding, for rows without `search`."""
    uid: str | None
    """What a UID may begin with; None for what no UID begins with."""
    file_id: UUID | None


def parse_search(q: str) -> Search:
    """Read `q`."""
    file_id = None
    with contextlib.suppress(ValueError):
        file_id = UUID(q.strip())
    uid = q.strip()
    return Search(
        words=tuple(contains(word) for word in fold(q).split()),
        words_as_typed=tuple(contains(word) for word in q.replace("^", " ").split()),
        uid=uid if _MAYBE_UID.fullmatch(uid) else None,
        file_id=file_id,
    )
