"""What identity speaks of: accounts inside, requests and answers outside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from libs.common.access import Mode
from libs.common.ids import UserId
from libs.common.permissions import Permission
from libs.common.security.passwords import MAX_PASSWORD_LENGTH

MAX_USERNAME_LENGTH = 150
MOST_GROUPS = 50
"""Of one account: each is in its access token, which a cookie must hold."""
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


def normal_username(name: str) -> str:
    """NFKC, so that one name has one spelling. Raises ValueError for what no account can be called."""
    name = unicodedata.normalize("NFKC", name)
    if len(name) > MAX_USERNAME_LENGTH or re.fullmatch(r"[\w.@+-]+", name) is None:
        raise ValueError(f"a user name is 1 to {MAX_USERNAME_LENGTH} letters, digits and @ . + - _")
    return name


@dataclass(frozen=True)
class Account:
    """What sign-in needs to know; `password` is the hash."""

    id: UserId
    password: str
    is_active: bool
    password_changed_at: datetime | None


@dataclass(frozen=True)
class Identity:
    """Whom a token speaks for, and what they may do now. `staff` holds for superusers too."""

    id: UserId
    username: str
    staff: bool
    superuser: bool
    groups: tuple[int, ...]
    permissions: frozenset[Permission]
    first_name: str
    last_name: str
    email: str
    collections: Mapping[str, Mode] = field(default_factory=dict)
    """Those of groups, with the mode that their members have."""
    default_collection: str | None = None
    language: str = ""
    kind: Literal["person", "service"] = "person"
    must_change_password: bool = False
    access_version: int = 0


class MeResponse(BaseModel):
    """The caller's own account; `collections` are those that uploads may go to or lists may show."""

    model_config = ConfigDict(frozen=True)

    user_id: int
    username: str
    staff: bool
    groups: tuple[int, ...]
    permissions: tuple[str, ...]
    collections: dict[str, Mode]
    default_collection: str
    first_name: str
    last_name: str
    email: str
    language: str
    must_change_password: bool


class ChangeBody(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Name = Annotated[str, StringConstraints(max_length=150, pattern=PRINTABLE)]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^$|^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")]
Language = Literal["", "es", "en"]
Ids = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[1-9][0-9]{0,8}(,[1-9][0-9]{0,8})*$")]
GroupId = Annotated[int, Field(ge=1, le=2**31 - 1)]
Codename = Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z_]+$")]
Collection = Annotated[str, StringConstraints(pattern=r"^(user|group):[1-9][0-9]{0,18}$")]


class GroupName(BaseModel):
    """A group, as accounts name it."""

    id: int
    name: str


class User(BaseModel):
    """An account, as administrators see it. `permissions` are those given directly."""

    id: int
    username: str
    first_name: str
    last_name: str
    email: str
    kind: Literal["person", "service"]
    is_staff: bool
    is_superuser: bool
    is_active: bool
    must_change_password: bool
    second_factor: bool = Field(description="Whether an authenticator is asked for at sign-in")
    language: str
    default_collection: str | None
    date_joined: datetime
    last_login: datetime | None
    groups: list[GroupName]
    permissions: list[str]


MOST_COUNTED = 10_000
"""Lists of accounts and groups are counted up to here."""
BoundedTotal = Annotated[int | None, Field(description=f"All that match; null for more than {MOST_COUNTED}")]


class UserList(BaseModel):
    """One page of accounts, by name unless asked otherwise."""

    users: list[User]
    total: BoundedTotal
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class UserCreate(ChangeBody):
    """A new account. Without `groups` it becomes an uploader, which takes somebody who may do that much."""

    username: str = Field(min_length=1, max_length=MAX_USERNAME_LENGTH)
    password: SecretStr = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)
    first_name: Name = ""
    last_name: Name = ""
    email: Email = ""
    language: Language = ""
    is_staff: bool = False
    is_superuser: bool = False
    must_change_password: bool = True
    groups: list[GroupId] | None = Field(None, max_length=MOST_GROUPS)
    permissions: list[Codename] = Field(default=[], max_length=200)


class UserChange(ChangeBody):
    """What of an account changes; what is not named stays."""

    first_name: Name | None = None
    last_name: Name | None = None
    email: Email | None = None
    language: Language | None = None
    is_active: bool | None = None
    is_staff: bool | None = None
    is_superuser: bool | None = None
    must_change_password: bool | None = None
    default_collection: Collection | None = None
    groups: list[GroupId] | None = Field(None, max_length=MOST_GROUPS)
    permissions: list[Codename] | None = Field(None, max_length=200)


class PasswordSet(ChangeBody):
    """A password that an administrator gives; by default it must be changed at the next sign-in.

    It must in any case where the administrator does not have `view_all_dicomresult`.
    """

    password: SecretStr = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)
    must_change_password: bool = True


class PasswordChange(ChangeBody):
    """One's own new password."""

    current_password: SecretStr = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)
    new_password: SecretStr = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)


class ProfileChange(ChangeBody):
    """What people change of their own account.

    Another `email` takes the `current_password`: links for another password are sent there.
    """

    first_name: Name | None = None
    last_name: Name | None = None
    email: Email | None = None
    language: Language | None = None
    default_collection: Collection | None = None
    current_password: SecretStr | None = Field(None, min_length=1, max_length=MAX_PASSWORD_LENGTH)


class DirectoryEntry(BaseModel):
    """A person or a group that something can be shared with, or that owns something."""

    kind: Literal["user", "group"]
    id: int
    name: str
    full_name: str


class Directory(BaseModel):
    """Names, best matches first."""

    entries: list[DirectoryEntry]


class AdminLogEntry(BaseModel):
    """What an administrator changed. `action_flag`: 1 added, 2 changed, 3 deleted."""

    id: int
    action_time: datetime
    user_id: int
    app_label: str | None
    model: str | None
    object_id: str | None
    object_repr: str
    action_flag: int
    change_message: str


class AdminLog(BaseModel):
    """One page of changes, newest first."""

    entries: list[AdminLogEntry]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class ListQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SearchQuery(ListQuery):
    """Search and paging of lists by name."""

    q: Annotated[str, StringConstraints(min_length=1, max_length=150, pattern=PRINTABLE)] | None = None
    limit: int = Field(50, ge=1, le=500)
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None


UserSort = Literal["username", "-username", "last_login", "-last_login", "date_joined", "-date_joined"]


class UserQuery(SearchQuery):
    """Filters and order of GET /api/auth/users."""

    group: int | None = Field(None, ge=1, le=2**31 - 1)
    is_active: bool | None = None
    is_staff: bool | None = None
    is_superuser: bool | None = None
    second_factor: bool | None = None
    kind: Literal["person", "service"] | None = None
    sort: UserSort = Field("username", description="`-`: the last first; who never signed in counts as first")


class DirectoryQuery(ListQuery):
    """Part of a name, or ids whose names are wanted."""

    q: Annotated[str, StringConstraints(min_length=1, max_length=150, pattern=PRINTABLE)] | None = None
    users: (
        Annotated[str, StringConstraints(max_length=2000, pattern=r"^[1-9][0-9]{0,9}(,[1-9][0-9]{0,9})*$")]
        | None
    ) = Field(None, description="Ids, separated by commas")
    groups: (
        Annotated[str, StringConstraints(max_length=2000, pattern=r"^[1-9][0-9]{0,9}(,[1-9][0-9]{0,9})*$")]
        | None
    ) = Field(None, description="Ids, separated by commas")
    limit: int = Field(20, ge=1, le=200)


class LogQuery(ListQuery):
    """Choice and paging of GET /api/auth/admin-log."""

    user: int | None = Field(None, ge=1, le=2**31 - 1, description="Whose changes")
    model: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=PRINTABLE)] | None = Field(
        None, description="Of which kind of object, e.g. `user`"
    )
    object: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)] | None = Field(
        None, description="Of the object with this id; it takes `model`"
    )
    limit: int = Field(50, ge=1, le=500)
    cursor: int | None = Field(None, ge=1, le=2**63 - 1)
