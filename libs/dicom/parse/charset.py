"""Specific Character Set: defined terms to Python codecs, and decoding with code extensions (PS3.5 6.1.2).

The tables are pydicom's. The decoding is not, since pydicom's reports trouble through `warnings`, which
threads share, and takes any Python codec by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pydicom.charset import CODES_TO_ENCODINGS, STAND_ALONE_ENCODINGS, default_encoding, python_encoding

Encodings = tuple[str, ...]
"""Python codecs: the first one holds until an escape sequence names another."""

Note = Callable[[str], None]

DEFAULT: Encodings = (default_encoding,)
TEXT_DELIMITERS = b"\t\n\f\r\\"
NAME_DELIMITERS = TEXT_DELIMITERS + b"^="

_ESCAPE = b"\x1b"
_FRAGMENTS = re.compile(rb"\x1b[^\x1b]*|[^\x1b]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
# These codecs read the escape sequence themselves.
_STATEFUL = frozenset({"iso2022_jp", "iso2022_jp_2"})


def encodings_of(values: Sequence[object], note: Note) -> Encodings:
    """Find the codecs of the values of (0008,0005); an empty one is the default repertoire."""
    terms = [value if isinstance(value, str) else "" for value in values] or [""]
    known = [(term, _codec(term, note)) for term in terms]
    first = known[0]
    if first[0] in STAND_ALONE_ENCODINGS:
        return (first[1],)
    return (first[1], *(codec for term, codec in known[1:] if term not in STAND_ALONE_ENCODINGS))


def _codec(term: str, note: Note) -> str:
    if term in python_encoding:
        return python_encoding[term]
    # Common misspellings: "ISO-IR 100", "ISO_IR_100", "ISO 2022-IR 87".
    extended = re.fullmatch(r"ISO.?2022.?IR.?(\d+)", term)
    single = re.fullmatch(r"ISO.?IR.?(\d+)", term)
    mended = f"ISO 2022 IR {extended[1]}" if extended else f"ISO_IR {single[1]}" if single else ""
    if mended in python_encoding and mended:
        note("a misspelt character set is read as the one it resembles")
        return python_encoding[mended]
    note("an unknown character set is read as ISO 8859-1")
    return default_encoding


def decode(raw: bytes, encodings: Encodings, delimiters: bytes, note: Note) -> str:
    """Decode a text value; what cannot be decoded becomes U+FFFD and a note.

    `delimiters` are the bytes after which the first encoding holds again.
    """
    if _ESCAPE not in raw:
        # ASCII reads the same in every defined repertoire.
        return raw.decode("ascii") if raw.isascii() else _decode(raw, encodings[0], note)
    parts = (_fragment(part, encodings, delimiters, note) for part in _FRAGMENTS.findall(raw))
    return "".join(parts)


def _fragment(raw: bytes, encodings: Encodings, delimiters: bytes, note: Note) -> str:
    """Decode the text from one escape sequence to the next."""
    if not raw.startswith(_ESCAPE):
        return _decode(raw, encodings[0], note)
    for length in (3, 4):
        codec = CODES_TO_ENCODINGS.get(raw[:length])
        if codec in _STATEFUL:
            return _decode(raw, codec, note)
        if codec is not None:
            text = raw[length:]
            end = next((at for at, byte in enumerate(text) if byte in delimiters), len(text))
            return _decode(text[:end], codec, note) + _decode(text[end:], encodings[0], note)
    note("an unknown escape sequence is ignored")
    return _decode(raw[1:], encodings[0], note)


def _decode(raw: bytes, codec: str, note: Note) -> str:
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        note("text does not fit its character set; what cannot be read is replaced")
        text = raw.decode(codec, errors="replace")
    return _SURROGATES.sub("\ufffd", text)
