"""What groups and permissions look like outside."""

from __future__ import annotations

from pydantic import BaseModel, Field

from services.auth.identity.models import PRINTABLE, BoundedTotal, ChangeBody, Codename
from services.auth.identity.policy import GroupMode


class Group(BaseModel):
    """A group; `collection` is where its files lie, `mode` what members may do there.

    Members of one that `requires_second_factor` are let in with one only.
    """

    id: int
    name: str
    mode: GroupMode
    requires_second_factor: bool
    collection: str
    members: int
    permissions: list[str]


class GroupList(BaseModel):
    """One page of groups, by name."""

    groups: list[Group]
    total: BoundedTotal
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class GroupCreate(ChangeBody):
    """A new group."""

    name: str = Field(min_length=1, max_length=150, pattern=PRINTABLE)
    mode: GroupMode = "none"
    requires_second_factor: bool = False
    permissions: list[Codename] = Field(default=[], max_length=200)


class GroupChange(ChangeBody):
    """What of a group changes; what is not named stays."""

    name: str | None = Field(None, min_length=1, max_length=150, pattern=PRINTABLE)
    mode: GroupMode | None = None
    requires_second_factor: bool | None = None
    permissions: list[Codename] | None = Field(None, max_length=200)


class PermissionEntry(BaseModel):
    """A permission that can be given, and in how many places it was."""

    id: int
    codename: str
    name: str
    app_label: str
    model: str
    groups: int = Field(description="How many groups give it to their members")
    users: int = Field(description="How many accounts have it themselves")


class PermissionList(BaseModel):
    """Every permission there is."""

    permissions: list[PermissionEntry]


class PermissionHolder(BaseModel):
    """A group or an account that has a permission."""

    id: int
    name: str


class PermissionUse(PermissionEntry):
    """Where a permission is given; superusers have it without that."""

    held_by_groups: list[PermissionHolder]
    held_by_users: list[PermissionHolder] = Field(description="Accounts with it; the first hundred by name")
