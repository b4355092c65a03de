"""What links take and answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, SecretStr, model_validator

from libs.common.errors import InvalidRequest
from libs.common.security.passwords import MAX_PASSWORD_LENGTH
from services.results.read.models import Query, Text
from services.results.read.shared_store import ShareKind
from services.results.sharing.models import (
    IN,
    THING,
    Body,
    CollectionName,
    Reason,
    SharedThing,
    Uid,
    require_one,
)

DEFAULT_LIFE = timedelta(days=7)
LEAST_SECONDS = 60
LEAST_PASSWORD = 8
"""Less than an account's: it is asked only of who has the token, and guessing is throttled."""
MAX_TOKEN_LENGTH = 128


class LinkRequest(Body):
    """A file, a study or a series, and how far and how long a link opens it."""

    file_id: UUID | None = None
    study_instance_uid: Uid | None = None
    series_instance_uid: Uid | None = None
    collection: CollectionName | None = IN
    expires_at: AwareDatetime | None = Field(
        None, description="Its end; without: in seven days, or in LINK_MAX_DAYS if that is sooner"
    )
    seconds: int | None = Field(
        None, ge=LEAST_SECONDS, le=10**9, description="Instead of `expires_at`: how long"
    )
    password: SecretStr | None = Field(None, min_length=LEAST_PASSWORD, max_length=MAX_PASSWORD_LENGTH)
    download: bool = Field(False, description="Whether the files may be fetched as well, and not only seen")
    reason: Reason | None = Field(None, description="A note for whoever manages it; a link's page hides it")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        require_one(self.file_id, self.study_instance_uid, self.series_instance_uid, self.collection)
        if self.expires_at is not None and self.seconds is not None:
            raise ValueError("name either `expires_at` or `seconds`")
        return self

    def end(self, now: datetime, max_days: float) -> datetime:
        """When the link ends. Raises InvalidRequest for less than a minute, or more than `max_days`."""
        longest = timedelta(days=max_days)
        if self.expires_at is not None:
            until = self.expires_at
        elif self.seconds is not None:
            until = now + timedelta(seconds=self.seconds)
        else:
            return now + min(DEFAULT_LIFE, longest)
        if until > now + longest:
            raise InvalidRequest(
                f"A link lasts {max_days:g} days at most (LINK_MAX_DAYS): name an earlier end.",
                code="end-too-late",
            )
        if until < now + timedelta(seconds=LEAST_SECONDS):
            raise InvalidRequest("The end is over, or within a minute: name a later one.")
        return until


class LinkEntry(BaseModel):
    """A link that is in force; its token is told once, to who makes it."""

    id: UUID
    kind: ShareKind
    collection: str = Field(description="Where what it opens lies")
    file_id: UUID | None
    study_instance_uid: str | None
    series_instance_uid: str | None
    download: bool
    password: bool = Field(description="Whether it asks for one")
    expires_at: datetime
    reason: str | None
    created_by: int = Field(description="Who made it")
    created_at: datetime
    given_under: UUID | None = Field(
        description="The share under which its maker could make it; it ends with it"
    )
    opened: int = Field(description="How often it was opened")
    last_opened_at: datetime | None
    thing: SharedThing | None = THING


class NewLink(LinkEntry):
    """A link just made, and what opens it: nobody can ask for that again."""

    token: str
    url: str


class LinkList(BaseModel):
    """One page of links, newest first."""

    links: list[LinkEntry]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class LinkQuery(Query):
    """Which links: one's own, all of something that one manages, or everybody's."""

    all: Literal["true"] | None = Field(
        None, description="Everybody's; it takes `view_entry`, since the audit log tells the same"
    )
    file_id: UUID | None = Field(
        None, description="All that open this file, its study's and series' included"
    )
    study_instance_uid: Uid | None = Field(None, description="All of this study, and of what is in it")
    series_instance_uid: Uid | None = Field(None, description="All that open this whole series")
    collection: CollectionName | None = IN
    limit: int = Field(50, ge=1, le=500)
    cursor: Text | None = Field(None, description="`next_cursor` of the page before")

    @property
    def names_item(self) -> bool:
        """Whether it asks for those of one thing."""
        return any((self.file_id, self.study_instance_uid, self.series_instance_uid))

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if self.all and (self.names_item or self.collection is not None):
            raise ValueError("ask for all=true, or for those of one thing")
        if self.names_item or self.collection is not None:
            require_one(self.file_id, self.study_instance_uid, self.series_instance_uid, self.collection)
        return self


class OpenRequest(Body):
    """What a link's page sends; the password only when it is asked for."""

    token: SecretStr = Field(min_length=1, max_length=MAX_TOKEN_LENGTH)
    password: SecretStr | None = Field(None, max_length=MAX_PASSWORD_LENGTH)


class OpenLink(BaseModel):
    """What the link that a browser has opened leads to; neither who made it nor why."""

    kind: ShareKind
    file_id: UUID | None
    study_instance_uid: str | None
    series_instance_uid: str | None
    download: bool = Field(description="Whether the files may be fetched as well")
    expires_at: datetime = Field(description="When the link ends")
    session_expires_at: datetime = Field(description="When it has to be opened again, if not before")
