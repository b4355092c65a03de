"""Bodies of Store requests in the shapes that clients of the field send, and their answers read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

JSON = "application/dicom+json"


@dataclass(frozen=True)
class Shape:
    """How a client frames its parts."""

    content_type: str
    boundary: str
    part_headers: str = "Content-Type: application/dicom\r\n"
    """`{length}` becomes the part's."""
    before: bytes = b""
    after: bytes = b"\r\n"
    accept: str | None = None
    chunk: int | None = None
    """Sent in chunks of so many bytes, without a Content-Length."""

    def body(self, instances: Sequence[bytes]) -> bytes:
        """All parts."""
        parts = (
            f"--{self.boundary}\r\n{self.part_headers.format(length=len(one))}\r\n".encode() + one + b"\r\n"
            for one in instances
        )
        return self.before + b"".join(parts) + f"--{self.boundary}--".encode() + self.after

    def headers(self) -> dict[str, str]:
        """Of the request."""
        accept = {} if self.accept is None else {"Accept": self.accept}
        return {"Content-Type": self.content_type, **accept}


PLAIN = Shape('multipart/related; type="application/dicom"; boundary="frontera"', "frontera")
SHAPES = {
    "quoted": PLAIN,
    "bare": Shape("multipart/related;type=application/dicom;boundary=x-1_2.3", "x-1_2.3"),
    "boundary first": Shape('multipart/related; boundary=abc; type="application/dicom"', "abc"),
    "no type": Shape("multipart/related; boundary=abc", "abc"),
    "capitals": Shape(
        'Multipart/Related; Type="Application/DICOM"; Boundary=abc',
        "abc",
        "CONTENT-TYPE: Application/Dicom\r\n",
    ),
    "dicomweb-client": Shape(
        'multipart/related; type="application/dicom"; boundary="0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1"',
        "0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1",
        before=b"\r\n",
        after=b"",
        accept=JSON,
        chunk=10_000,
    ),
    "weasis": Shape(
        'multipart/related;type="application/dicom";boundary=mimeTypeBoundary',
        "mimeTypeBoundary",
        before=b"\r\n",
        accept="application/dicom+xml",
        chunk=4096,
    ),
    "dcm4che": Shape(
        "multipart/related; type=application/dicom; boundary=-------gc0p4Jq0M2Yt08jU534c0p",
        "-------gc0p4Jq0M2Yt08jU534c0p",
        'Content-Disposition: inline; name="file[]"; filename="a b.dcm"\r\n'
        "Content-Type: application/dicom \r\n",
        before=b"\r\n",
        accept="application/dicom+xml",
    ),
    "lengths of parts": Shape(
        'multipart/related; type="application/dicom"; boundary=myboundary',
        "myboundary",
        "Content-Type: application/dicom\r\nContent-Length: {length}\r\n",
        before=b"\r\n",
    ),
    "orthanc": Shape(
        "multipart/related; type=application/dicom; boundary=0b9d55b5-d2b5-4c27-9bfb-4ec1d7a1ff5e",
        "0b9d55b5-d2b5-4c27-9bfb-4ec1d7a1ff5e",
        after=b"\r\n",
        accept="application/dicom+json",
        chunk=1000,
    ),
    "transfer syntax": Shape(
        PLAIN.content_type,
        "frontera",
        "Content-Type: application/dicom;transfer-syntax=1.2.840.10008.1.2.1\r\n",
    ),
    "a dozen part headers": Shape(
        PLAIN.content_type,
        "frontera",
        "Content-Type: application/dicom\r\n" + "".join(f"X-{number}: y\r\n" for number in range(12)),
    ),
    "no part headers": Shape(PLAIN.content_type, "frontera", ""),
    "with a location": Shape(
        PLAIN.content_type,
        "frontera",
        "Content-Location: http://x/1\r\nContent-Type: application/dicom\r\n"
        "Content-Transfer-Encoding: binary\r\n",
    ),
}


def referenced(answer: dict[str, Any]) -> list[str]:
    """SOP Instance UIDs of what is stored."""
    items = answer.get("00081199", {}).get("Value", [])
    return [item["00081155"]["Value"][0] for item in items]


def reasons(answer: dict[str, Any]) -> list[tuple[str | None, int]]:
    """SOP Instance UID and Failure Reason of what is not."""
    items = [item for tag in ("00081198", "0008119A") for item in answer.get(tag, {}).get("Value", [])]
    return [
        (item.get("00081155", {}).get("Value", [None])[0], item["00081197"]["Value"][0]) for item in items
    ]
