"""Real DICOM files in a results service for tests, as ingest stores and announces them; multipart answers."""

from __future__ import annotations

import hashlib
import io
from typing import Any, NamedTuple
from uuid import UUID

from aiohttp import ClientResponse, MultipartReader

from libs.common.ids import file_key
from libs.dicom.parse.header import FACTS, HeaderLimits, read_header
from tests.results_support import Results
from tests.unit.services.results.events import received


class Stored(NamedTuple):
    """An instance that was stored, and where WADO-RS has it."""

    file_id: UUID
    study: str
    series: str
    instance: str
    content: bytes

    @property
    def study_path(self) -> str:
        """Of its study."""
        return f"/dicom-web/studies/{self.study}"

    @property
    def series_path(self) -> str:
        """Of its series."""
        return f"{self.study_path}/series/{self.series}"

    @property
    def path(self) -> str:
        """Its own."""
        return f"{self.series_path}/instances/{self.instance}"


class Part(NamedTuple):
    """A part of a multipart answer."""

    content_type: str
    body: bytes


async def store(results: Results, content: bytes, **event: Any) -> Stored:
    """Store a Part 10 file with its one reading sealed, and have results know of it."""
    header = read_header(io.BytesIO(content), len(content), HeaderLimits())
    facts = {name: getattr(header, name) for name in FACTS}
    told = {
        **{name: value for name, value in facts.items() if value is not None},
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    for name in ("study_instance_uid", "series_instance_uid"):
        told.setdefault(name, None)
    for name in ("rows", "columns", "decoded_bytes", "modality"):
        told.setdefault(name, None)
    announced = received(**{**told, **event})
    file_id = announced.file_id
    await results.storage.put(
        file_key(file_id), content, {"file_name": "a.dcm", **header.sealed()}, durable=False
    )
    await results.publish(announced)
    return Stored(
        file_id,
        header.study_instance_uid or "",
        header.series_instance_uid or "",
        event.get("sop_instance_uid", header.sop_instance_uid),
        content,
    )


async def parts_of(answer: ClientResponse, status: int = 200) -> list[Part]:
    """The parts of an answer that must be multipart."""
    assert answer.status == status, await answer.text()
    assert answer.content_type == "multipart/related"
    reader = MultipartReader.from_response(answer)
    parts = []
    while (part := await reader.next()) is not None:
        assert not isinstance(part, MultipartReader)
        parts.append(Part(part.headers["Content-Type"], bytes(await part.read())))
    return parts
