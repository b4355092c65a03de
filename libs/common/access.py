"""Who may see and do what: the one rule behind every route, list, stream and feed.

Every file lies in one collection, a person's (`user:7`) or a group's (`group:3`). A viewer sees what lies in
their own collection and in those of groups that let them, or everything with `view_all_dicomresult`. What is
shared with them or with one of their groups they see as well, on the routes of results, which knows shares.
To change something takes `manage` of its collection or by a share, or the permission that ends in `_all`.
Not allowed to see is answered 404, not allowed to do 403.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from libs.common.errors import PermissionDenied
from libs.common.permissions import Permission
from libs.common.security.principal import Principal

Mode = Literal["view", "manage"]


COLLECTION_PATTERN = r"^(user|group):[1-9][0-9]{0,18}$"
"""The form of a collection's name."""


def user_collection(user_id: int) -> str:
    """The collection of a person's own files."""
    return f"user:{user_id}"


def group_collection(group_id: int) -> str:
    """The collection of a group."""
    return f"group:{group_id}"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The caller, as far as access goes."""

    user_id: int
    collections: Mapping[str, Mode]
    permissions: frozenset[Permission]
    grantees: tuple[str, ...] = ()
    """By what names something may be shared with them: their own, and of every group, whatever its mode."""

    @classmethod
    def of(cls, caller: Principal) -> Viewer:
        """The viewer whom a verified token speaks for."""
        own: dict[str, Mode] = {user_collection(caller.user_id): "manage"}
        return cls(
            caller.user_id,
            MappingProxyType({**caller.collections, **own}),
            caller.permissions,
            (user_collection(caller.user_id), *map(group_collection, caller.groups)),
        )

    @property
    def sees_all(self) -> bool:
        """Whether nothing is hidden from this viewer."""
        return "view_all_dicomresult" in self.permissions

    @property
    def visible(self) -> list[str] | None:
        """The collections to look into, for SQL: one bounded branch each; None means all there are."""
        return None if self.sees_all else sorted(self.collections)

    def sees(self, collection: str) -> bool:
        """Whether what lies in `collection` is visible: the same rule as a predicate, for events."""
        return self.sees_all or collection in self.collections

    def manages(self, collection: str) -> bool:
        """Whether what lies in `collection` may be changed."""
        return self.collections.get(collection) == "manage"

    def may_manage(self, collection: str) -> bool:
        """Whether they manage `collection`, or whatever they see (`manage_all_dicomresult`)."""
        return self.sees(collection) and (
            self.manages(collection) or "manage_all_dicomresult" in self.permissions
        )

    def may(self, permission: str) -> bool:
        """Whether an operation that asks for `permission` is open."""
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raises PermissionDenied, naming what is missing."""
        if not self.may(permission):
            raise PermissionDenied(
                f"Ask an administrator for the permission {permission}: your account does not have it.",
                permission=permission,
            )
