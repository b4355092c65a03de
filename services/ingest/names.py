"""Names and relative paths of files, as their senders give them."""

from __future__ import annotations

import re

FOLDER_CHARACTERS = 1024
_DRIVE = re.compile("[A-Za-z]:")


def clean_file_name(file_name: str | None) -> str:
    """The last path component without control characters, at most 255 characters; may be empty."""
    if file_name is None:
        return ""
    return _printable(_parts(file_name.rstrip("/\\"))[-1])[:255]


def clean_folder(file_name: str | None) -> str | None:
    """What comes before the last component of a relative path, with `/` between; None where nothing does.

    An absolute path tells of the sender's machine, not of the files sent together: it counts as none. `..`
    leads nowhere, `.` says nothing.
    """
    if file_name is None or file_name.startswith(("/", "\\")) or _DRIVE.match(file_name):
        return None
    cleaned = (_printable(part) for part in _parts(file_name.rstrip("/\\"))[:-1])
    folder = "/".join(part for part in cleaned if part not in ("", ".", ".."))
    return folder[:FOLDER_CHARACTERS].rstrip("/ ") or None


def _parts(file_name: str) -> list[str]:
    return file_name.replace("\\", "/").split("/")


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).strip()
