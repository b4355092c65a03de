"""The DICOM conformance statement, made from the tables that the code works by (PS3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from pydicom.uid import UID

from docs.conformance_dimse import dimse
from libs.common.http.dicomweb import DICOM_WEB
from libs.dicom.pixels.codecs import CODECS
from libs.dicom.web.frames import MEDIA_TYPES, OCTETS
from libs.dicom.web.searching import ALL, IF_KNOWN, LEVELS, RETURNED, SEARCHED, keyword_of, vr_of
from libs.dicom.web.store import FAILURES, WARNINGS
from libs.dicom.web.transactions import TRANSACTIONS, WebService, WebTransaction

Lines = list[str]

_CAPABILITIES = ("WADL is given without an Accept header. The document lists what stands in this statement.",)
_STOW = (
    "A body is `multipart/related` of whole instances, with the boundary quoted or bare, of known length or chunked, or one instance as",
    "`application/dicom`. A part without a Content-Type counts as `application/dicom`; its transfer syntax is the one that its file meta",
    "information names, whatever the part's type says. Metadata and bulk data apart (`application/dicom+json`, `application/dicom+xml`) are",
    "not taken: 415.",
    "",
    "Instances of every SOP class, standard or private, are stored, in every transfer syntax that PS3.5 and PS3.6 define; what cannot be",
    "decoded is stored and read like any other. The bytes are kept unchanged: nothing is coerced, discarded or converted.",
    "An instance has to name its SOP class, its own UID, and those of its series and study.",
    "A faulty element is noted and is no warning.",
    "",
    "The same data set in the same collection again is a success, whatever its file meta information says. Another one under a SOP Instance UID that",
    "is there is refused, unless what is there could not be processed: then it takes its place.",
    "",
    "Status: 200 all stored, 202 some, or with warnings, 409 none, also when the study of the URL is another one; 400 a broken body, with what was",
    "stored before in the member `stored` of the problem document, 401, 403, 404 (no such collection), 408, 413, 415, 429, 503.",
)


def _reasons(title: str, reasons: Mapping[int, str]) -> Lines:
    return [
        title,
        "",
        "| value | meaning |",
        "|---|---|",
        *(f"| {r:04X} | {m} |" for r, m in reasons.items()),
        "",
    ]


def _stow() -> Lines:
    return [
        *_STOW,
        "",
        *_reasons("Failure Reason (0008,1197):", FAILURES),
        *_reasons("Warning Reason (0008,1196):", WARNINGS),
    ]


_MATCHING = {
    "UI": "single value, list of UIDs",
    "PN": "single value and wildcard, in any case, with or without accents; literal or fuzzy",
    "DA": "single value, range",
    "TM": "single value, range; a shortened time spans what it leaves out",
    "IS": "single value, list",
    "CS": "single value, list, wildcard",
}
_QIDO = (
    "An attribute that is empty or `*` is matched universally. Attributes are named by keyword or tag; all that are given must match. Those of the levels",
    "above may be given, and are answered unless the path names the level. Others are ignored, which a `Warning: 299` header tells, as it does",
    "when matches are left out, or when a search that no index helps compared only the latest studies, series or instances of a collection.",
    "",
    "Names match whole component groups, any of them; a wildcard reaches from one into the next. Fuzzy: each word begins a part of the name.",
    "Times are matched apart from dates. Timezone Offset From UTC changes nothing. An answer may be of a state some moments old.",
    "",
    "Status: 200, an empty list where nothing matches (204 as XML), 400 what cannot be read, or an offset beyond QIDO_OFFSET, 401, 403, 406, 503.",
)


def _qido() -> Lines:
    lines = [*_QIDO, "", "| level | attribute | matching |", "|---|---|---|"]
    for level in LEVELS:
        for path in SEARCHED[level]:
            how = _MATCHING.get(vr_of(path[-1]), "single value, list, wildcard")
            lines.append(f"| {level} | {keyword_of(path)} ({'.'.join(path)}) | {how} |")
    lines += ["", "| level | every match holds | `includefield=all` adds |", "|---|---|---|"]
    for level in LEVELS:
        more = ALL[level]
        named = "its whole header but bulk values" if more is None else _keywords(sorted(more))
        lines.append(f"| {level} | {_keywords(RETURNED[level])} | {named} |")
    return [*lines, "", f"Left out where unknown: {_keywords(sorted(IF_KNOWN))}.", ""]


def _keywords(tags: Iterable[str]) -> str:
    return ", ".join(keyword_of((tag,)) for tag in tags)


_WADO = (
    "HEAD is answered wherever GET is. `accept` in the query goes before the header; media ranges have weights, and their parameters may be quoted or not.",
    "",
    "Instances are given in the transfer syntax in which they are stored (`transfer-syntax=*`, or its UID), or in Explicit VR Little Endian, the default, into which they",
    "are transcoded: from the native transfer syntaxes, and from those of the table that are decoded. No other transcoding is done: 406, but for what is not decoded (video) among the",
    "instances of a study or series, where no transfer syntax is named: it is given as it is stored. Values stay as they were sent;",
    "colour stays as it was coded, and Photometric Interpretation says which it is.",
    "",
    "Frames are given decoded in Explicit VR Little Endian (`application/octet-stream`), or as they are stored in the media type of their transfer syntax.",
    "",
)


def _named(uid: str) -> str:
    return uid if UID(uid).name == uid else f"{UID(uid).name} ({uid})"


def _wado() -> Lines:
    lines = [*_WADO, "| transfer syntax | frames as stored | decoded |", "|---|---|---|"]
    for uid in sorted(MEDIA_TYPES.keys() | CODECS.keys()):
        lines.append(
            f"| {_named(uid)} | `{MEDIA_TYPES.get(uid, OCTETS)}` | {'yes' if uid in CODECS else 'no'} |"
        )
    return [
        *lines,
        "",
        "A single byte range is given of bulk data that are not compressed, and of one instance as it is stored.",
        "Rendering knows the parameters `viewport`, `window` (linear, linear-exact, sigmoid) and `quality`; `annotation` and `iccprofile` are ignored with a Warning.",
        "Status: 200, 206, 304, 400, 401, 403, 404 what is not there or not the caller's, 406, 416, 422 what cannot be decoded, 429, 503.",
        "",
    ]


NOTES: Mapping[WebService, Callable[[], Lines]] = MappingProxyType(
    {"Capabilities": lambda: [*_CAPABILITIES, ""], "STOW-RS": _stow, "QIDO-RS": _qido, "WADO-RS": _wado}
)
"""What a table of transactions does not say."""


def _table(transactions: list[WebTransaction]) -> Lines:
    lines = ["| transaction | request | body | answer | parameters |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.name} ({one.source}) | {one.method} `{one.path or '/'}` | {_codes(one.takes)} | "
        f"{_codes(one.gives)} | {_codes(one.query)} |"
        for one in transactions
    ]
    return [*lines, ""]


def _codes(texts: tuple[str, ...]) -> str:
    return ", ".join(f"`{text}`" for text in texts) or "–"


def web_services() -> Lines:
    """One section for each service of PS3.18."""
    lines = [
        f"The root is `PUBLIC_URL{DICOM_WEB}`; every path below it is served below `/collections/{{collection}}` as well.",
        "This system is an origin server in each of these services, and no user agent.",
        "",
    ]
    by_service: dict[WebService, list[WebTransaction]] = {}
    for transaction in TRANSACTIONS:
        by_service.setdefault(transaction.service, []).append(transaction)
    for number, (service, transactions) in enumerate(by_service.items(), 1):
        lines += [f"### 2.{number} {service}", "", *_table(transactions), *NOTES.get(service, list)()]
    return lines


def _overview() -> Lines:
    return [
        "The system stores DICOM instances that come over the network, measures their pixel data, and gives instances and results to those who",
        "may see them. It is an archive and no source of instances: it makes none, and changes none.",
        "",
    ]


def _character_sets() -> Lines:
    return [
        "Every defined term of Specific Character Set (0008,0005) is read, with and without code extensions (ISO 2022). What is answered as JSON or",
        "XML is UTF-8, whatever the instance's character set; the instance itself is not touched.",
        "",
    ]


def _security() -> Lines:
    return [
        "HTTP over TLS 1.2 or 1.3 (BCP 195). Callers present a bearer token or, by HTTP Basic or as a bearer, an API key; each transaction takes a",
        "permission of its own ([who may what](access.md)). Every request leaves an entry in the audit log ([the audit log](audit.md)).",
        "DIMSE over TLS 1.2 or 1.3 on its port, with certificates of senders where DIMSE_TLS_CA_FILE is set; otherwise peers are known by title and address.",
        "Objects are encrypted at rest from their first byte.",
        "",
    ]


SECTIONS: tuple[tuple[str, Callable[[], Lines]], ...] = (
    ("1 Overview", _overview),
    ("2 Web services (PS3.18)", web_services),
    ("3 DIMSE services (PS3.4, PS3.7)", dimse),
    ("4 Character sets", _character_sets),
    ("5 Security", _security),
)


def conformance_document(generated: str) -> str:
    """The statement as Markdown; `generated` says that nobody edits it."""
    lines = ["# DICOM conformance statement", "", f"<!-- {generated} -->", ""]
    for title, section in SECTIONS:
        lines += [f"## {title}", "", *section()]
    return "\n".join(lines).rstrip() + "\n"
