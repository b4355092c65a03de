"""Who may change whose access; pure.

Nobody gives what they do not have, nobody changes their own access, nobody changes an account that may do
more than they may, and the last superuser stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from libs.common.access import Mode
from libs.common.errors import Conflict, PermissionDenied
from libs.common.permissions import ALL, Permission

GroupMode = Literal["none", "view", "manage"]


@dataclass(frozen=True)
class Actor:
    """Who asks for the change: the account as it is now, narrowed to what the token allows."""

    user_id: int
    superuser: bool
    staff: bool
    permissions: frozenset[Permission]
    collections: Mapping[str, Mode]
    """Those of groups, with the actor's own mode."""
    memberships: frozenset[str] = frozenset()
    """Collections of all groups that the actor is in, of those too whose members do not see them."""


@dataclass(frozen=True)
class Given:
    """What membership of a group gives: permissions, and a mode in its collection."""

    permissions: frozenset[Permission]
    mode: GroupMode


@dataclass(frozen=True)
class Target:
    """The account that is to change, as it is now."""

    user_id: int
    superuser: bool
    staff: bool
    permissions: frozenset[Permission]


def require_above(actor: Actor, target: Target) -> None:
    """Raises PermissionDenied unless the actor may do all that the target may."""
    if actor.superuser or actor.user_id == target.user_id:
        return
    if target.superuser or not target.permissions <= actor.permissions:
        raise PermissionDenied("This account may do things that yours may not: ask a superuser.")


def require_not_self(actor: Actor, target: Target) -> None:
    """Raises PermissionDenied for a change of one's own access."""
    if actor.user_id == target.user_id:
        raise PermissionDenied("Nobody changes their own access: ask another administrator.")


def require_has(actor: Actor, given: Iterable[Permission]) -> None:
    """Raises PermissionDenied for permissions that the actor does not have."""
    missing = sorted(set(given) - (ALL if actor.superuser else actor.permissions))
    if missing:
        raise PermissionDenied(f"You cannot give what you do not have: {', '.join(missing)}.")


def require_reaches(actor: Actor, given: Mapping[str, GroupMode]) -> None:
    """Raises PermissionDenied when the actor opens a group's collection that is closed to them.

    What is shared with a group opens to its members whatever its mode.
    """
    if actor.superuser:
        return
    for collection, mode in given.items():
        if mode == "none":
            reaches = collection in actor.memberships
        else:
            reaches = actor.collections.get(collection) in ("manage", mode)
        if not reaches and not _reaches_all(actor, mode):
            raise PermissionDenied(f"You cannot let others into {collection}, which is closed to you.")


def _reaches_all(actor: Actor, mode: GroupMode) -> bool:
    """Who may change everybody's files without seeing them does not open them to others."""
    return "view_all_dicomresult" in actor.permissions and (
        mode != "manage" or "manage_all_dicomresult" in actor.permissions
    )


def require_rank(actor: Actor, *, staff: bool, superuser: bool) -> None:
    """Raises PermissionDenied when the actor would make somebody more than they are."""
    if superuser and not actor.superuser:
        raise PermissionDenied("Only a superuser makes superusers.")
    if staff and not (actor.staff or actor.superuser):
        raise PermissionDenied("Only staff makes staff.")


def name_taken(field: str, sentence: str) -> Conflict:
    """The refusal of a name that another has, told at its field."""
    return Conflict(sentence, code="name-taken", errors=[{"field": field, "message": sentence}])


def require_superuser_left(target: Target, superusers_left: int) -> None:
    """Raises Conflict when the change would take the last superuser away."""
    if target.superuser and superusers_left == 0:
        raise Conflict("This is the last superuser: make another one first.", code="last-superuser")
