"""VIEWERS: programs of other origins, or of the reader's machine, that a study is opened with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

LARGEST = 20
"""Of them; a menu is no list."""
LONGEST_NAME = 40
LONGEST_ADDRESS = 2000
PLACEHOLDERS = frozenset({"studyUid", "collection", "publicUrl", "dicomwebUrl"})
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SCHEME = re.compile(r"(?:https?://|[a-z][a-z0-9+.-]*:)", re.IGNORECASE)
_WEB = ("http", "https")
_RUN_OR_READ = frozenset({"about", "blob", "data", "file", "filesystem", "javascript", "vbscript"})
"""Schemes that a browser does not hand to a program: script of ours, or files of the reader's."""


def check_viewers(viewers: Mapping[str, str]) -> None:
    """Address by name, in the order of the menu. Raises ValueError with what is wrong, by name."""
    if len(viewers) > LARGEST:
        raise ValueError(f"more than {LARGEST} viewers")
    for name, address in viewers.items():
        if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
            raise ValueError(f"{name!r} is no name: 1 to {LONGEST_NAME} printable characters")
        if (wrong := _fault(address)) is not None:
            raise ValueError(f"{name}: {wrong}")


def _fault(address: str) -> str | None:
    if len(address) > LONGEST_ADDRESS or re.search(r"[\s\x00-\x1f\x7f\"<>\\^`|]", address):
        return f"an address has at most {LONGEST_ADDRESS} characters, and spaces and quotes percent-encoded"
    found = set(_PLACEHOLDER.findall(address))
    if found - PLACEHOLDERS or re.search(r"[{}]", _PLACEHOLDER.sub("", address)):
        return f"what may stand in braces is {', '.join(sorted(PLACEHOLDERS))}"
    if "studyUid" not in found:
        return "{studyUid} is missing, so that every study would open the same"
    if address.startswith("{publicUrl}/"):
        return None
    if not _SCHEME.match(address):
        return "an address begins with https://, a program's own scheme (weasis:) or {publicUrl}/"
    try:
        parts = urlsplit(address)
    except ValueError:
        return "no address"
    if parts.scheme in _RUN_OR_READ:
        return f"{parts.scheme}: is opened by no viewer"
    if parts.scheme in _WEB and (not parts.hostname or "{" in parts.netloc or "@" in parts.netloc):
        return "a host, which is no placeholder and has no password before it, has to follow https://"
    return None


def filled_in(viewers: Mapping[str, str], public_url: str) -> str:
    """JSON [[name, address]] for the page; `{studyUid}` and `{collection}` are left for it to fill in.

    `{publicUrl}` and `{dicomwebUrl}` are percent-encoded wherever the address does not begin with them: they
    are a value there. The DICOMweb root is that of the study's collection, so that no other copy is opened.
    """
    return json.dumps([[name, _filled(address, public_url)] for name, address in viewers.items()])


def _filled(address: str, public_url: str) -> str:
    def value(match: re.Match[str]) -> str:
        encode = str if match.start() == 0 else lambda text: quote(text, safe="")
        if match[1] == "publicUrl":
            return encode(public_url)
        if match[1] == "dicomwebUrl":
            return encode(f"{public_url}/dicom-web/collections/") + "{collection}"
        return match[0]

    return _PLACEHOLDER.sub(value, address)
