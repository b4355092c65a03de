"""Value representations: how long their length field is, and when a value is kept (PS3.5 6.2, 7.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from libs.dicom.parse.values import READERS, Reader

ValueKind = Literal["text", "number", "binary", "sequence"]

_BINARY_KEPT = 1 << 10
_NUMBERS_KEPT = 4 << 10
_TEXT_KEPT = 64 << 10


@dataclass(frozen=True, slots=True)
class VR:
    """One value representation.

    `long_form`: in explicit VR, two reserved bytes and a 32-bit length follow the code.
    `kept`: a longer value, in bytes, becomes a BulkDataURI instead of being read. Long lists of numbers are
    bulk too (contours, lookup tables), since one 16-bit number costs 36 bytes as a JSON value.
    """

    code: str
    kind: ValueKind
    long_form: bool
    kept: int
    read: Reader | None
    """Decodes a value; None for binary ones and sequences."""


def _table() -> dict[str, VR]:
    kinds: dict[ValueKind, tuple[str, int]] = {
        "text": ("AE AS CS DA DT LO LT PN SH ST TM UC UI UR UT", _TEXT_KEPT),
        "number": ("AT DS FD FL IS SL SS SV UL US UV", _NUMBERS_KEPT),
        "binary": ("OB OD OF OL OV OW UN", _BINARY_KEPT),
        "sequence": ("SQ", 0),
    }
    long_form = "OB OD OF OL OV OW SQ SV UC UN UR UT UV"
    return {
        code: VR(code, kind, code in long_form.split(), kept, READERS.get(code))
        for kind, (codes, kept) in kinds.items()
        for code in codes.split()
    }


_VRS: Mapping[str, VR] = MappingProxyType(_table())
EXPLICIT: Mapping[bytes, VR] = MappingProxyType({code.encode(): vr for code, vr in _VRS.items()})
"""By the two bytes that stand in a file."""

UN, SQ = _VRS["UN"], _VRS["SQ"]

US_OR_SS = VR("US or SS", "number", long_form=False, kept=_NUMBERS_KEPT, read=None)
"""Signed as Pixel Representation says; only the dictionary gives it, never a file."""


def is_code(raw: bytes) -> bool:
    """Whether two bytes look like a VR code, known or not: two capital letters."""
    return raw.isalpha() and raw.isupper()


@lru_cache(maxsize=8192)
def dictionary_vr(tag: int, private_creator: str | None) -> VR:
    """VR of a tag by the data dictionary, UN when it is not there.

    A private tag needs the creator that reserved its block (PS3.5 7.8.1). Where the dictionary names several,
    words are right in implicit VR (PS3.5 A.1), the only place that asks, but for US or SS.
    """
    code = _dictionary_code(tag, private_creator)
    return _VRS.get(code) or (US_OR_SS if code == "US or SS" else _VRS["OW"])


def _dictionary_code(tag: int, private_creator: str | None) -> str:
    element = tag & 0xFFFF
    try:
        if not tag >> 16 & 1:
            return "UL" if element == 0 else str(dictionary_VR(tag))
        if 0x10 <= element <= 0xFF:
            return "LO"
        return str(private_dictionary_VR(tag, private_creator)) if private_creator else "UN"
    except KeyError:
        return "UN"
