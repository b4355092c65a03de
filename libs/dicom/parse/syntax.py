"""How a data set is encoded: explicit or implicit VR, byte order, and the transfer syntaxes that say so."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_ROOT = "1.2.840.10008.1.2"
IMPLICIT_LITTLE_UID = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_UID = "1.2.840.10008.1.2.1"
EXPLICIT_BIG_UID = "1.2.840.10008.1.2.2"
DEFLATED_UID = "1.2.840.10008.1.2.1.99"
NATIVE_UIDS = frozenset({IMPLICIT_LITTLE_UID, EXPLICIT_LITTLE_UID, EXPLICIT_BIG_UID, DEFLATED_UID})
"""Transfer syntaxes whose pixel data are not encapsulated (PS3.5 A.1 to A.3 and A.5)."""

UNDEFINED = 0xFFFFFFFF
"""The length of what ends with a delimiter (PS3.5 7.5)."""

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
ITEM_HEAD = 8
"""Bytes of an item's or a delimiter's tag and length."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """How elements are laid out (PS3.5 7.1); the derived fields unpack them."""

    implicit: bool
    little: bool
    explicit_head: struct.Struct = field(init=False, repr=False, compare=False)
    """group, element, VR code, 16-bit length"""
    implicit_head: struct.Struct = field(init=False, repr=False, compare=False)
    """group, element, 32-bit length; items and delimiters look like this in every syntax"""
    long_length: struct.Struct = field(init=False, repr=False, compare=False)
    delimiter_group: bytes = field(init=False, repr=False, compare=False)
    item_tag: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        order = "<" if self.little else ">"
        object.__setattr__(self, "explicit_head", struct.Struct(order + "HH2sH"))
        object.__setattr__(self, "implicit_head", struct.Struct(order + "HHI"))
        object.__setattr__(self, "long_length", struct.Struct(order + "I"))
        object.__setattr__(self, "delimiter_group", struct.pack(order + "H", 0xFFFE))
        object.__setattr__(self, "item_tag", struct.pack(order + "HH", 0xFFFE, 0xE000))


IMPLICIT_LITTLE = Syntax(implicit=True, little=True)
EXPLICIT_LITTLE = Syntax(implicit=False, little=True)
EXPLICIT_BIG = Syntax(implicit=False, little=False)


def is_transfer_syntax(uid: str) -> bool:
    """Whether this UID is under the root of DICOM's own transfer syntaxes (PS3.6 annex A).

    Those to come will be explicit little endian with encapsulated pixels; private ones may be anything.
    """
    return uid == _ROOT or uid.startswith(_ROOT + ".")


def data_set_syntax(transfer_syntax_uid: str) -> Syntax:
    """Layout of the data set in a transfer syntax; all but two are explicit little endian (PS3.5 annex A)."""
    if transfer_syntax_uid == IMPLICIT_LITTLE_UID:
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if transfer_syntax_uid == EXPLICIT_BIG_UID else EXPLICIT_LITTLE
