"""What an association request asks for, and what it gets (PS3.8 7.1, PS3.7 annex D); pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from libs.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from services.ingest.dimse.pdus import (
    APPLICATION_CONTEXT,
    CALLING_AE_TITLE,
    HEAD,
    PROTOCOL_VERSION,
    PduType,
    ProtocolError,
    Rejection,
)
from services.ingest.dimse.settings import AE_TITLE
from services.ingest.dimse.sop_classes import STORAGE_COMMITMENT_PUSH_MODEL, VERIFICATION, is_stored
from services.ingest.dimse.syntaxes import NATIVE, preferred

DICOM_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
ACCEPTED, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = 0, 3, 4
"""Results of a presentation context (PS3.8 table 9-18)."""
MOST_CONTEXTS = 128
_ITEM = struct.Struct(">BxH")
_FIXED = struct.Struct(">Hxx16s16s32s")
_APPLICATION, _OFFERED, _ANSWERED, _ABSTRACT, _TRANSFER = 0x10, 0x20, 0x21, 0x30, 0x40
_USER, _LENGTH, _IMPLEMENTATION, _VERSION = 0x50, 0x51, 0x52, 0x55


@dataclass(frozen=True)
class Requested:
    """An A-ASSOCIATE-RQ, as far as it is asked."""

    calling: str
    called: str
    versions: int
    """Bit 0: version 1, the only one there is."""
    application_context: str
    contexts: Mapping[int, tuple[str, tuple[str, ...]]]
    """Abstract syntax, and transfer syntaxes offered, by presentation context id."""
    max_pdu: int
    """Bytes that it takes in one PDU; 0: any number."""


@dataclass(frozen=True)
class Context:
    """A presentation context that was accepted."""

    sop_class_uid: str
    transfer_syntax_uid: str


def read_request(body: bytes) -> Requested:
    """An A-ASSOCIATE-RQ without its head (PS3.8 9.3.2). Raises ProtocolError."""
    if len(body) < _FIXED.size:
        raise ProtocolError("an A-ASSOCIATE-RQ that is cut off")
    versions, called, calling, _ = _FIXED.unpack_from(body)
    application_context, max_pdu = "", 0
    contexts: dict[int, tuple[str, tuple[str, ...]]] = {}
    for kind, content in _items(body[_FIXED.size :]):
        if kind == _APPLICATION:
            application_context = _text(content)
        elif kind == _OFFERED:
            number, abstract_syntax, offered = _context(content)
            if number % 2 == 0 or number in contexts or len(contexts) >= MOST_CONTEXTS:
                raise ProtocolError("a presentation context with an even id, one that is taken, or too many")
            contexts[number] = abstract_syntax, offered
        elif kind == _USER:
            for sub, value in _items(content):
                if sub == _LENGTH and len(value) == 4:
                    max_pdu = int.from_bytes(value, "big")
    return Requested(_text(calling), _text(called), versions, application_context, contexts, max_pdu)


def _context(content: bytes) -> tuple[int, str, tuple[str, ...]]:
    if len(content) < 4:
        raise ProtocolError("a presentation context that is cut off")
    items = list(_items(content[4:]))
    abstract = [_text(value) for kind, value in items if kind == _ABSTRACT]
    return (
        content[0],
        abstract[0] if len(abstract) == 1 else "",
        tuple(_text(value) for kind, value in items if kind == _TRANSFER),
    )


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each item. Raises ProtocolError."""
    offset = 0
    while offset < len(content):
        if len(content) - offset < _ITEM.size:
            raise ProtocolError("an item of an A-ASSOCIATE-RQ that is cut off")
        kind, length = _ITEM.unpack_from(content, offset)
        offset += _ITEM.size
        if length > len(content) - offset:
            raise ProtocolError("an item longer than its A-ASSOCIATE-RQ")
        yield kind, content[offset : offset + length]
        offset += length


def _text(raw: bytes) -> str:
    """A UID or AE title; what pads it means nothing, though only some may be padded."""
    return raw.decode("ascii", "replace").strip(" \0")


def is_ae_title(title: str) -> bool:
    """Whether it is one, of those that PS3.5 6.2 allows."""
    return AE_TITLE.fullmatch(title) is not None


class Agreement(NamedTuple):
    """How an association is accepted."""

    contexts: dict[int, Context]
    max_pdu: int
    """Bytes that the peer takes in one PDU; 0: any number."""
    pdu: bytes
    """The A-ASSOCIATE-AC."""


def answer(requested: Requested, *, unknown: bool, max_pdu: int) -> Agreement | Rejection:
    """How to accept, or why not; `unknown` as `choose` has it, `max_pdu` as `accept`."""
    if not requested.versions & 0x01:
        return PROTOCOL_VERSION
    if requested.application_context != DICOM_APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT
    if not is_ae_title(requested.calling):
        return CALLING_AE_TITLE
    chosen = choose(requested, unknown=unknown)
    contexts = {number: one for number, one in chosen.items() if isinstance(one, Context)}
    return Agreement(contexts, requested.max_pdu, accept(requested, chosen, max_pdu))


def choose(requested: Requested, *, unknown: bool) -> dict[int, Context | int]:
    """What becomes of each presentation context: how it is accepted, or why not (a result).

    `unknown`: take SOP classes that nobody knows as well.
    """
    return {number: _chosen(*offer, unknown=unknown) for number, offer in requested.contexts.items()}


def _chosen(abstract_syntax: str, offered: tuple[str, ...], *, unknown: bool) -> Context | int:
    if abstract_syntax in (VERIFICATION, STORAGE_COMMITMENT_PUSH_MODEL):
        # Nothing in it is ever compressed.
        offered = tuple(uid for uid in offered if uid in NATIVE)
    elif not is_stored(abstract_syntax, unknown=unknown):
        return NO_ABSTRACT_SYNTAX
    syntax = preferred(list(offered))
    return NO_TRANSFER_SYNTAX if syntax is None else Context(abstract_syntax, syntax)


def accept(requested: Requested, chosen: Mapping[int, Context | int], max_pdu: int) -> bytes:
    """The A-ASSOCIATE-AC (PS3.8 9.3.3); `max_pdu` is what we take."""
    user = (
        _item(_LENGTH, struct.pack(">I", max_pdu))
        + _item(_IMPLEMENTATION, IMPLEMENTATION_CLASS_UID.encode())
        + _item(_VERSION, IMPLEMENTATION_VERSION_NAME.encode())
    )
    body = (
        _FIXED.pack(1, requested.called.encode().ljust(16), requested.calling.encode().ljust(16), bytes(32))
        + _item(_APPLICATION, DICOM_APPLICATION_CONTEXT.encode())
        + b"".join(_answered(number, one) for number, one in chosen.items())
        + _item(_USER, user)
    )
    return HEAD.pack(PduType.ASSOCIATE_AC, len(body)) + body


def _answered(number: int, one: Context | int) -> bytes:
    # Where it was not accepted, the syntax is there and means nothing (PS3.8 9.3.3.2).
    result, syntax = (one, NATIVE[-1]) if isinstance(one, int) else (ACCEPTED, one.transfer_syntax_uid)
    return _item(_ANSWERED, bytes((number, 0, result, 0)) + _item(_TRANSFER, syntax.encode()))


def _item(kind: int, content: bytes) -> bytes:
    return _ITEM.pack(kind, len(content)) + content
