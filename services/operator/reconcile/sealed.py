"""What an object says of itself: enough to make the row that knew it anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from libs.common.access import COLLECTION_PATTERN
from libs.common.events import FileReceived
from libs.common.ids import file_key


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
    collection: str = Field(pattern=COLLECTION_PATTERN)
    owner_id: int = Field(gt=0)
    uploaded_at: AwareDatetime
    size: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    facts: _Facts


class SealedIdentity(NamedTuple):
    """A file as its object knows it."""

    received: FileReceived
    """What puts it on its way."""
    file_name: str
    uploaded_at: AwareDatetime


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
        storage_key=file_key(file_id),
        size_bytes=said.size,
        sha256=said.sha256,
        **said.facts.model_dump(),
    )
    return SealedIdentity(received, said.file_name, said.uploaded_at)
