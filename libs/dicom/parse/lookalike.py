"""What a file that is not DICOM seems to be, so that the person who sent it sees the mistake."""

from __future__ import annotations

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (unpack it, or upload it as application/zip)"),
    (b"\x1f\x8b", "a gzip archive (unpack it first)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive (unpack it first)"),
    (b"Rar!", "a RAR archive (unpack it first)"),
    (b"\x7fELF", "a Linux program"),
    (b"MZ", "a Windows program"),
    (b"NRRD", "an NRRD image (convert it to DICOM)"),
    (b"DICM", "a DICOM file that has lost its 128-byte preamble (export it again from its source)"),
    (b"\x02\0\0\0UL", "a DICOM file that has lost its preamble and prefix (export it again from its source)"),
)
_TEXT: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "an HTML page, perhaps the error page of a download"),
    (b"<html", "an HTML page, perhaps the error page of a download"),
    (b"<?xml", "an XML document"),
    (b"{", "a JSON document"),
)
_BARE = "a bare DICOM data set without preamble and file meta information (export it again as a DICOM file)"
_BARE_GROUPS = (b"\x08\0", b"\x02\0")


def resembles(start: bytes) -> str | None:
    """Say what the first bytes of a file (some hundred of them) look like, None when like nothing known."""
    for magic, name in _MAGIC:
        if start.startswith(magic):
            return name
    if start[4:8] == b"ftyp":
        return "an MP4 video"
    if start[344:348] in (b"n+1\0", b"ni1\0"):
        return "a NIfTI image (convert it to DICOM)"
    lowered = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, name in _TEXT:
        if lowered.startswith(magic):
            return name
    # (0008,00xx) in little endian, what nearly every data set begins with.
    if start[:2] in _BARE_GROUPS and start[3:4] == b"\0" and len(start) >= 8:
        return _BARE
    return None
