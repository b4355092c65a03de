"""What the ingest service stores and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from libs.common.events import FileReceived


class StoredFile(BaseModel):
    """A row of ingest.upload_dicomfile."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    file: str = Field(description="Key of the encrypted object")
    file_name: str
    uploaded_at: datetime
    owner_id: int
    size_bytes: int
    sha256: str
    state: Literal["accepted", "erased"]
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

    def received(self) -> FileReceived:
        """The event that puts this file on its way."""
        return FileReceived(
            file_id=self.id,
            storage_key=self.file,
            **self.model_dump(include=set(FileReceived.model_fields) - {"file_id", "storage_key"}),
        )


class Problem(BaseModel):
    """Why one file of an upload was refused; `code` is stable."""

    code: str
    title: str
    status: int
    detail: str


class UploadedFile(BaseModel):
    """One file of an upload, in the order sent."""

    id: UUID | None = Field(description="File id; null when the file was refused")
    file_name: str
    state: Literal["accepted", "rejected"]
    duplicate: bool | None = Field(None, description="True when the same bytes were accepted before")
    problem: Problem | None = None


class UploadAnswer(BaseModel):
    """Answer to an upload: one entry per file, and the trace that tells of all of them."""

    files: list[UploadedFile]
    trace_id: str | None = Field(None, pattern="^[0-9a-f]{32}$", description="W3C trace id of the upload")

    def to_json(self) -> dict[str, Any]:
        """As sent: `duplicate`, `problem` and `trace_id` only where they say something, `id` always."""
        files = [{"id": None, **f.model_dump(mode="json", exclude_none=True)} for f in self.files]
        return {"files": files, **({} if self.trace_id is None else {"trace_id": self.trace_id})}


class FileList(BaseModel):
    """One page of the caller's files, newest first."""

    files: list[StoredFile]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class FileListQuery(BaseModel):
    """Paging of GET /api/files."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=500)
    cursor: UUID | None = Field(None, description="`next_cursor` of the page before")

    @field_validator("cursor", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return value or None
