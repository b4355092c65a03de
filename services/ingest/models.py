"""What the ingest service stores and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from libs.common.access import COLLECTION_PATTERN
from libs.common.events import FileReceived

SearchText = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
IntakeState = Literal["accepted", "superseded", "erased"]
FOLDER = "Where it lay with its sender, e.g. `CD 3/SERIES01`; null where nobody said"


class StoredFile(BaseModel):
    """A row of ingest.upload_dicomfile."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    file: str = Field(description="Key of the encrypted object")
    file_name: str
    uploaded_at: datetime
    owner_id: int = Field(description="Who sent it")
    collection: str = Field(description="Where it lies: `user:7` or `group:3`")
    size_bytes: int
    sha256: str
    state: IntakeState = Field(
        description="`superseded`: it could not be measured, and other bytes with its SOP Instance UID took "
        "its place"
    )
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
    moves: int = Field(0, description="How often it was moved into another collection")
    request: int = Field(0, description="How often it failed and was asked to be measured again")
    folder: str | None = Field(None, description=FOLDER)

    def received(self, supersedes: UUID | None = None, supersedes_moves: int = 0) -> FileReceived:
        """The event that puts this file on its way, in the place of the failed file `supersedes`."""
        return FileReceived(
            file_id=self.id,
            storage_key=self.file,
            supersedes=supersedes,
            supersedes_moves=supersedes_moves,
            **self.model_dump(include=_ANNOUNCED),
        )

    def identity(self) -> dict[str, str | int | None]:
        """What the sealed trailer says of it beside its header, enough to make a lost row anew."""
        return {
            "file_name": self.file_name,
            "owner_id": self.owner_id,
            "uploaded_at": self.uploaded_at.isoformat(),
            **self.place(),
            "folder": self.folder,
        }

    def place(self) -> dict[str, str | int]:
        """Where it lies, and by which move: what is sealed beside it when it is moved."""
        return {"collection": self.collection, "moves": self.moves}


_ANNOUNCED = set(FileReceived.model_fields) & set(StoredFile.model_fields)


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
    queued_again: bool | None = Field(None, description="True for a duplicate that is measured again")
    supersedes: UUID | None = Field(None, description="The failed file whose place it takes")
    folder: str | None = Field(None, description="As understood; of a file there before, what was said then")
    study_instance_uid: str | None = Field(None, description="Of the study that it belongs to")
    problem: Problem | None = None


class UploadAnswer(BaseModel):
    """Answer to an upload: one entry per file, and the trace that tells of all of them."""

    files: list[UploadedFile]
    trace_id: str | None = Field(None, pattern="^[0-9a-f]{32}$", description="W3C trace id of the upload")

    def to_json(self) -> dict[str, Any]:
        """As sent: what says nothing is left out, but for `id`."""
        files = [{"id": None, **f.model_dump(mode="json", exclude_none=True)} for f in self.files]
        return {"files": files, **({} if self.trace_id is None else {"trace_id": self.trace_id})}


class UploadQuery(BaseModel):
    """Parameters of POST /api/files."""

    collection: str | None = Field(
        None,
        pattern=COLLECTION_PATTERN,
        description="Where the files shall lie, e.g. `group:3`; without it, in the caller's default one",
    )
    file_name: str | None = Field(
        None, description="Name of a file sent as application/dicom, perhaps with its relative path"
    )


class UploadLimits(BaseModel):
    """What an upload may be here; sizes in bytes."""

    max_file_bytes: int
    max_request_bytes: int
    max_request_files: int
    max_decoded_bytes: int = Field(description="Largest size of pixel data once decoded, by the header")
    uploads_at_once: int = Field(
        description="Requests that one account may have under way on a replica; more are answered 429"
    )
    bytes_at_once: int = Field(description="What they may announce together; one alone may be larger")
    min_bytes_per_second: int = Field(description="What comes more slowly for long is cut off with 408")
    accepted_extensions: list[str] = Field(
        description="File names end in one of these; empty: the content alone decides"
    )
    media_types: list[str] = Field(description="What a body may be, or hold")
    free_bytes: int | None = Field(description="Room in the store; null where it does not tell")


class FileMove(BaseModel):
    """Where a file shall lie. It takes `manage` of both collections, or `manage_all_dicomresult`.

    A file that could not be measured moves like any other. One that another file has replaced stays with it,
    and of an erased one nothing is left to move: 409. So is a target in which the same bytes or SOP Instance
    UID lie already; `file_id` of the problem names that file. What lies in the target already is answered
    200, and nobody is told.
    """

    model_config = ConfigDict(extra="forbid")

    collection: str = Field(
        pattern=COLLECTION_PATTERN, description="Where the file shall lie, e.g. `group:3`"
    )


class FileList(BaseModel):
    """One page of the files that the caller may see, newest first unless asked otherwise."""

    files: list[StoredFile]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class FileListQuery(BaseModel):
    """Choice and paging of GET /api/files."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=500)
    cursor: UUID | None = Field(None, description="`next_cursor` of the page before")
    state: IntakeState | None = Field(None, description="Only these; without it, all but the superseded")
    q: SearchText | None = Field(
        None, description="Parts of the file's name, in any order and case; or the file's id"
    )
    owner: int | None = Field(None, ge=1, le=2**63 - 1, description="Who sent it")
    sort: Literal["-uploaded", "uploaded"] = Field("-uploaded", description="`-`: the newest first")

    @field_validator("cursor", "state", "q", "owner", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return value or None
