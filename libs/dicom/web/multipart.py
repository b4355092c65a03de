"""The body of a `multipart/related` answer, part by part (RFC 2387, PS3.18 8.6.1.2); pure."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

END_OF_LINE = b"\r\n"


class RelatedWriter:
    """Gives what stands between the bytes of parts. Each part may be of any size."""

    def __init__(self, part_type: str, boundary: str | None = None) -> None:
        """`part_type` is the media type of the first part; `boundary` is drawn where none is given."""
        self.boundary = boundary or secrets.token_hex(16)
        self.content_type = f'multipart/related; type="{part_type}"; boundary={self.boundary}'
        self._begun = False

    def begin(self, content_type: str, headers: Mapping[str, str] | None = None) -> bytes:
        """What stands before the bytes of a part; `content_type` with its parameters."""
        lines = [f"--{self.boundary}", f"Content-Type: {content_type}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        head = END_OF_LINE.join(line.encode("ascii") for line in lines) + 2 * END_OF_LINE
        before = END_OF_LINE if self._begun else b""
        self._begun = True
        return before + head

    def end(self) -> bytes:
        """What stands behind the last part."""
        before = END_OF_LINE if self._begun else b""
        return before + f"--{self.boundary}--".encode("ascii") + END_OF_LINE
