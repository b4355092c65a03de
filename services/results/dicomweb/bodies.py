"""The bytes of one instance in the transfer syntax that is taken: as stored, or transcoded piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self
from uuid import UUID

from libs.common.errors import NotAcceptable
from libs.common.ids import file_key
from libs.common.storage import ObjectReader
from libs.dicom.parse.syntax import EXPLICIT_LITTLE_UID
from libs.dicom.transcode.part10 import in_explicit_little
from libs.dicom.web.instances import DICOM, InstanceForm
from services.results.pixels.explicit import ExplicitInstance
from services.results.pixels.source import DecodingFor, FrameSource


class InstanceBody:
    """Use as a context. What it says of itself holds once it has begun."""

    def __init__(
        self, reader: ObjectReader, decoding: DecodingFor, file_id: UUID, form: InstanceForm
    ) -> None:
        """`reader` is closed with it. Raises NotAcceptable."""
        self._reader = reader
        self._decoding = decoding
        self._file_id = file_id
        self._stored = str(reader.trailer["facts"]["transfer_syntax_uid"])
        self._syntax = choose_syntax(form, self._stored)
        self._source: FrameSource | None = None
        self._explicit: ExplicitInstance | None = None

    @classmethod
    async def open(cls, decoding: DecodingFor, file_id: UUID, form: InstanceForm) -> InstanceBody:
        """Open the object of a file. Raises as above, and as Storage."""
        reader = await decoding.storage.open(file_key(file_id))
        try:
            return cls(reader, decoding, file_id, form)
        except BaseException:
            await reader.close()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._source is not None:
            await self._source.close()
        await self._reader.close()

    @property
    def content_type(self) -> str:
        """With the transfer syntax."""
        return f"{DICOM}; transfer-syntax={self._syntax}"

    @property
    def etag(self) -> str:
        """Of these bytes."""
        return f'"{self._reader.trailer["sha256"]}-{self._syntax}"'

    @property
    def size(self) -> int:
        """Bytes."""
        return self._reader.size if self._explicit is None else self._explicit.size

    async def begin(self) -> None:
        """Do what may fail. Raises InvalidContent, NotAcceptable, Unavailable, TooManyRequests."""
        if self._syntax != self._stored:
            self._source = FrameSource(self._reader, self._decoding, self._file_id)
            self._explicit = await ExplicitInstance.of(self._source)

    def give_stored(self) -> None:
        """Leave it as it is stored, whatever is taken."""
        self._syntax = self._stored

    @property
    def in_ranges(self) -> Callable[[int, int], AsyncIterator[bytes]] | None:
        """Gives bytes from one up to, not with, another; None where it is made anew from its beginning."""
        return self._reader.chunks if self._explicit is None else None

    def chunks(self) -> AsyncIterator[bytes]:
        """All bytes. Raises as `begin`, and as Storage."""
        return self._reader.chunks() if self._explicit is None else self._explicit.chunks()


def choose_syntax(form: InstanceForm, stored: str) -> str:
    """The transfer syntax in which an instance is given. Raises NotAcceptable."""
    possible = {stored, EXPLICIT_LITTLE_UID} if in_explicit_little(stored) else {stored}
    chosen = form.syntax_of(stored, possible)
    if chosen is None:
        raise NotAcceptable(
            f"An instance is stored in the transfer syntax {stored} and cannot be given in another that the "
            "Accept header takes: ask for transfer-syntax=*."
        )
    return chosen
