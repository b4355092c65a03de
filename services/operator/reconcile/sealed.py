"""What an object says of itself: enough to make the row that knew it anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from libs.common.access import COLLECTION_PATTERN
from libs.common.errors import ObjectCorrupt, ObjectNotFound
from libs.common.events import FileReceived
from libs.common.ids import file_key, place_key
from libs.common.storage import Storage


class _Facts(BaseModel):
    """The header's, as libs.dicom.parse.header names them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str | None
    study_instance_uid: str | None
    modality: str | None
    transfer_syntax_uid: str
    rows: int | None
    columns: int | None
    frames: int | None
    decoded_bytes: int | None


class _Trailer(BaseModel):
    """The trailer of an uploaded file; those of older releases lack the owner."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file_name: str
    folder: str | None = None
    collection: str = Field(pattern=COLLECTION_PATTERN)
    owner_id: int = Field(gt=0)
    uploaded_at: AwareDatetime
    size: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    moves: int = Field(0, ge=0)
    facts: _Facts


class _Placed(BaseModel):
    """The trailer of the object beside it that says where it was moved to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    collection: str = Field(pattern=COLLECTION_PATTERN)
    moves: int = Field(ge=1)


class SealedIdentity(NamedTuple):
    """A file as its object knows it."""

    received: FileReceived
    """What puts it on its way."""
    file_name: str
    uploaded_at: AwareDatetime
    folder: str | None
    placed: bool = True
    """Whether it is known where it lies: what says where it was moved to may be corrupt."""


def sealed_file(file_id: UUID, trailer: Mapping[str, Any]) -> SealedIdentity | None:
    """Read the trailer of the object of `file_id`; None where it does not say whose it is."""
    try:
        said = _Trailer.model_validate(trailer)
    except ValidationError:
        return None
    received = FileReceived(
        file_id=file_id,
        owner_id=said.owner_id,
        collection=said.collection,
        moves=said.moves,
        storage_key=file_key(file_id),
        size_bytes=said.size,
        sha256=said.sha256,
        **said.facts.model_dump(),
    )
    return SealedIdentity(received, said.file_name, said.uploaded_at, said.folder)


async def read_sealed(storage: Storage, file_id: UUID) -> SealedIdentity | None:
    """What the objects of a file say of it; None without one that can be read, or that says whose it is."""
    try:
        sealed = sealed_file(file_id, await storage.read_trailer(file_key(file_id)))
    except (ObjectNotFound, ObjectCorrupt):
        return None
    if sealed is None:
        return None
    try:
        place = _Placed.model_validate(await storage.read_trailer(place_key(file_id)))
    except ObjectNotFound:
        return sealed
    except (ObjectCorrupt, ValidationError):
        return sealed._replace(placed=False)
    if place.moves < sealed.received.moves:
        # It was sealed anew after a later move.
        return sealed
    return sealed._replace(received=sealed.received.model_copy(update=place.model_dump()))
