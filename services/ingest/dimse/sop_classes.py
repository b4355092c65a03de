"""Which SOP classes objects may be of: those that pynetdicom and pydicom know, and unknown ones if asked for.

Importing pynetdicom takes half a second: this module, and `negotiation`, are imported when the first sender
comes.
"""

from __future__ import annotations

from pydicom.uid import UID_dictionary
from pynetdicom import AllStoragePresentationContexts

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT_PUSH_MODEL = "1.2.840.10008.1.20.1"
_ROOT = "1.2.840.10008.5.1.4.1.1."
_WITHOUT_STUDY = (f"{_ROOT}200.", f"{_ROOT}201.")
"""Protocols and inventories: no patient's, so they are in no study, and cannot be kept in one (PS3.4 GG)."""


def _retired(uid: str, name: str, kind: str) -> bool:
    """Whether it is a storage class that pynetdicom offers no longer; old archives hold them."""
    return (
        uid.startswith(_ROOT)
        and not uid.startswith(_WITHOUT_STUDY)
        and kind == "SOP Class"
        and "Storage" in name
    )


STORAGE = frozenset(
    {
        *(str(context.abstract_syntax) for context in AllStoragePresentationContexts),
        *(uid for uid, (name, kind, *_) in UID_dictionary.items() if _retired(uid, name, kind)),
    }
)


def is_stored(uid: str, *, unknown: bool) -> bool:
    """Whether objects of this SOP class are taken; `unknown`: also if it is in no edition of the standard."""
    return uid in STORAGE or (unknown and uid not in UID_dictionary)
