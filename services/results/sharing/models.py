"""What sharing takes and answers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from libs.common.access import COLLECTION_PATTERN, Mode
from services.results.read.models import Query, Text
from services.results.read.shared_store import ShareKind

MAX_REASON = 500
_ID = Field(None, ge=1, le=2**63 - 1)
CollectionName = Annotated[str, StringConstraints(pattern=COLLECTION_PATTERN)]
Uid = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=MAX_REASON, pattern=r"^[^\x00]*$")]
IN = Field(
    None, description="Where the study or series lies; without: one's own collection, then one's groups'"
)


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewGrantee(Body):
    """A user or a group; results do not know whether there is one with this id."""

    user: int | None = _ID
    group: int | None = _ID

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.user is None) == (self.group is None):
            raise ValueError("name either a user or a group")
        return self

    @property
    def name(self) -> str:
        """As rows hold it."""
        return f"user:{self.user}" if self.group is None else f"group:{self.group}"


class ShareRequest(Body):
    """A file, a study or a series, with whom, and how much."""

    grantee: NewGrantee
    file_id: UUID | None = None
    study_instance_uid: Uid | None = None
    series_instance_uid: Uid | None = None
    collection: CollectionName | None = IN
    mode: Mode
    until: AwareDatetime | None = Field(None, lt=datetime(9999, 1, 1, tzinfo=UTC), description="Its end")
    reason: Reason | None = None

    @model_validator(mode="after")
    def _one_item(self) -> Self:
        require_one(self.file_id, self.study_instance_uid, self.series_instance_uid, self.collection)
        return self


class Grantee(BaseModel):
    """With whom: one of these."""

    user: int | None = None
    group: int | None = None
    link: UUID | None = None


class SharedThing(BaseModel):
    """What is shared, as the header of one of its files names it."""

    file_name: str
    patient_name: str | None
    patient_id: str | None
    study_date: date | None
    study_description: str | None
    series_description: str | None
    modality: str | None


THING = Field(description="null where the caller does not see it (any more)")


class ShareEntry(BaseModel):
    """A share that is in force."""

    id: UUID
    grantee: Grantee
    kind: ShareKind
    collection: str = Field(description="Where what is shared lies")
    file_id: UUID | None
    study_instance_uid: str | None
    series_instance_uid: str | None
    mode: Mode
    until: datetime | None
    reason: str | None
    created_by: int = Field(description="Who shares it")
    created_at: datetime
    given_under: UUID | None = Field(
        description="The share under which its maker could give it; it ends with it"
    )
    last_used_at: datetime | None = Field(
        description="When somebody with whom it is shared last opened it, within ten minutes"
    )
    thing: SharedThing | None = THING


class ShareList(BaseModel):
    """One page of shares, newest first."""

    shares: list[ShareEntry]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class ShareQuery(Query):
    """Which shares: one's own, those with oneself, those of something that one manages, or all."""

    by: Literal["me"] | None = Field(None, description="Those that the caller has made")
    with_: Literal["me"] | None = Field(
        None, alias="with", description="Those with the caller or one of their groups"
    )
    all: Literal["true"] | None = Field(
        None, description="Everybody's; it takes `view_entry`, since the audit log tells the same"
    )
    file_id: UUID | None = Field(
        None, description="Those that open this file, its study's and series' included"
    )
    study_instance_uid: Uid | None = Field(None, description="Those of this study, and of what is in it")
    series_instance_uid: Uid | None = Field(None, description="Those that open this whole series")
    collection: CollectionName | None = IN
    limit: int = Field(50, ge=1, le=500)
    cursor: Text | None = Field(None, description="`next_cursor` of the page before")

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        item = self.file_id, self.study_instance_uid, self.series_instance_uid, self.collection
        asked = [part for part in (self.by, self.with_, self.all) if part is not None]
        if not asked:
            require_one(*item)
        elif len(asked) > 1 or any(part is not None for part in item):
            raise ValueError("ask for by=me, for with=me, for all=true, or for those of one thing")
        return self


def require_one(file_id: UUID | None, study: str | None, series: str | None, collection: str | None) -> None:
    """A series may name its study as well; a file says by itself where it lies."""
    if (file_id is None) == (study is None and series is None):
        raise ValueError("name a file, or a study, or a series")
    if file_id is not None and collection is not None:
        raise ValueError("a file lies in one collection: name it alone")
