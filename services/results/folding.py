"""Text as searches compare it: without accents, case, or signs that stand between the parts of a name."""

from __future__ import annotations

import re
import unicodedata

_PLAIN = str.maketrans("łøđðħŧıς", "loddhtiσ")
"""Letters that Unicode does not decompose, one for one so that `?` still stands for one of them."""
_GAPS = re.compile(r"[\s^=\\\x00-\x1f\x7f]+")


def fold(text: str) -> str:
    """Fold `text` (NFKD without combining marks, lower case, `^` and the like as one space); idempotent.

    What rows hold and what is searched for both go through this, e.g. `Müller^José` is `muller jose`.
    """
    return fold_part(text).strip()


def fold_name(group: str) -> str:
    """A component group of a person's name as QIDO-RS compares it."""
    return fold_name_part(group).strip()


def fold_name_part(text: str) -> str:
    """The same of a part of it. Whether a sigma ends a word, its part does not know: both are one."""
    return fold_part(text).translate(_PLAIN)


def fold_part(text: str) -> str:
    """The same of a part of a text: a space at either end stays one."""
    if not text.isascii():
        # Twice, since lower case and decomposition each bring forth what the other would change.
        for _ in range(2):
            decomposed = unicodedata.normalize("NFKD", text.lower())
            text = "".join(c for c in decomposed if not unicodedata.combining(c) and not _is_lone(c))
    return _GAPS.sub(" ", text.lower())


def _is_lone(character: str) -> bool:
    """Whether this is half of a surrogate pair, which UTF-8 cannot say."""
    return "\ud800" <= character <= "\udfff"
