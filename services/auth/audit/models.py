"""What GET /api/auth/audit asks and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from services.auth.identity.models import PRINTABLE, ListQuery

Word = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)]


class AuditFilter(ListQuery):
    """Which entries: all of these must hold."""

    actor: Word | None = Field(None, description="`user:7`, `link:<id>`, `operator`, `system` or `anonymous`")
    object: Word | None = Field(None, description="An id of a file, an account, a share, …")
    study: Word | None = Field(None, description="Study Instance UID: who saw this study?")
    action: Word | None = Field(None, description="operationId of the request, or name of a command")
    ending: Literal["success", "refused", "error"] | None = None
    from_: AwareDatetime | None = Field(None, alias="from", description="Not before")
    to: AwareDatetime | None = Field(None, description="Before")


class AuditQuery(AuditFilter):
    """Filters and paging, newest first."""

    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=64)


class AuditExportQuery(AuditFilter):
    """Filters of an export, oldest first."""

    format: Literal["jsonl", "csv", "fhir"] = Field("jsonl", description="FHIR: R4 AuditEvent, a line each")


class AuditLogEntry(BaseModel):
    """One entry as it was sealed."""

    seq: int = Field(description="Number in the log, without gaps")
    link: str = Field(description="SHA-256 over this entry and the one before, in hex")
    sealed_at: datetime
    at: datetime
    service: str
    action: str
    ending: str
    actor: str
    acting_as: str | None
    object_type: str | None
    objects: list[str]
    collection: str | None
    studies: list[str]
    address: str | None
    route: str | None
    status: int | None
    trace_id: str | None
    details: dict[str, Any]


class SealedState(BaseModel):
    """The newest batch."""

    last_seq: int
    sealed_at: datetime


class ProvedState(BaseModel):
    """What the last look at the chain found, of the replica that answers."""

    last_seq: int = Field(description="The last entry that was found right")
    proved_at: datetime
    whole: bool = Field(description="false: the entry after `last_seq` is not what was sealed")


class AuditState(BaseModel):
    """How far the log is sealed and proved."""

    sealed: SealedState | None
    proved: ProvedState | None = Field(description="Null until the first look, and where auth has no keys")
    waiting: int = Field(description="Entries that wait to be sealed; 100 000 at most")


class AuditPage(BaseModel):
    """One page of entries, newest first."""

    entries: list[AuditLogEntry]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")
