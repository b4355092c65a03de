"""Text as searches compare it: without accents, case, or signs that stand between the parts of a name."""

from __future__ import annotations

import re
import unicodedata

_GAPS = re.compile(r"[\s^=\\\x00-\x1f\x7f]+")


def fold(text: str) -> str:
    """Fold `text` (NFKD without combining marks, lower case, `^` and the like as one space); idempotent.

    What rows hold and what is searched for both go through this, e.g. `Müller^José` is `muller jose`.
    """
    if not text.isascii():
        # Twice, since lower case and decomposition each bring forth what the other would change.
        for _ in range(2):
            decomposed = unicodedata.normalize("NFKD", text.lower())
            text = "".join(c for c in decomposed if not unicodedata.combining(c) and not _is_lone(c))
    return _GAPS.sub(" ", text.lower()).strip()


def _is_lone(character: str) -> bool:
    """Whether this is half of a surrogate pair, which UTF-8 cannot say."""
    return "\ud800" <= character <= "\udfff"
