"""Who may share what, and taking it back: nobody gives more than they have, nor for longer.

A share that was given by managing another one ends with it, whichever way that ends.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, Self
from uuid import UUID

import asyncpg

from libs.common.access import Viewer
from libs.common.database.postgres import Connection
from libs.common.errors import Conflict, NotFound, PermissionDenied
from libs.common.ids import new_uuid
from services.results.read.shared_store import read_places
from services.results.read.visibility import unknown
from services.results.settings import ResultsSettings
from services.results.sharing import lists_store, store
from services.results.sharing.store import Subject, Terms


class ShareLimits(NamedTuple):
    """How many shares there may be at once."""

    per_item: int
    per_maker: int
    per_grantee: int
    per_maker_and_grantee: int

    @classmethod
    def of(cls, settings: ResultsSettings) -> Self:
        """Those of the service."""
        return cls(
            settings.shares_per_item,
            settings.shares_per_maker,
            settings.shares_per_grantee,
            settings.shares_per_maker_and_grantee,
        )


class NamesItem(Protocol):
    """A request that names a file, a study or a series."""

    @property
    def file_id(self) -> UUID | None: ...
    @property
    def study_instance_uid(self) -> str | None: ...
    @property
    def series_instance_uid(self) -> str | None: ...
    @property
    def collection(self) -> str | None: ...


def what_is_given(share: asyncpg.Record) -> dict[str, Any]:
    """A share as the audit log tells of it."""
    file, series = share["file_id"], share["series_instance_uid"]
    return {
        "collection": share["collection"],
        "study": share["study_instance_uid"],
        "grantee": share["grantee"],
        "kind": share["kind"],
        "mode": share["mode"],
        **({} if file is None else {"file": str(file)}),
        **({} if series is None else {"series_instance_uid": series}),
    }


async def find(connection: Connection, viewer: Viewer, named: NamesItem) -> Subject:
    """What the caller means; without `collection` in their own, then their groups'. Raises NotFound."""
    file_id, collection = named.file_id, named.collection
    study, series = named.study_instance_uid, named.series_instance_uid
    if file_id is not None:
        found = await store.find_file(connection, viewer, file_id)
    elif collection is not None:
        found = await store.find_whole(connection, viewer, study, series, [collection])
    else:
        own = sorted(viewer.collections, key=lambda name: (not name.startswith("user:"), name))
        places = [*own, *await read_places(connection, viewer)]
        found = await store.find_whole(connection, viewer, study, series, places)
        if found is None and viewer.sees_all:
            found = await store.find_whole(connection, viewer, study, series, None)
    if found is None:
        raise unknown()
    return found


async def require_managed(connection: Connection, viewer: Viewer, subject: Subject) -> None:
    """Raises PermissionDenied for who may see it and no more."""
    if not viewer.may_manage(subject.collection) and not await store.managed_by(
        connection, viewer, subject, None
    ):
        raise _may_only_see()


async def give(
    connection: Connection,
    viewer: Viewer,
    subject: Subject,
    terms: Terms,
    limits: ShareLimits,
    *,
    shorten: bool = False,
) -> tuple[asyncpg.Record, bool]:
    """Share `subject`, within a transaction; the share, and whether there was none such before.

    `shorten` an end that is later than that of what the caller holds.

    Raises PermissionDenied for more than the caller has, Conflict beyond a limit.
    """
    await store.lock_collection(connection, subject.collection)
    same = await store.find_same(connection, viewer.user_id, terms.grantee, subject)
    under = None
    if not viewer.may_manage(subject.collection):
        held = await store.managed_by(
            connection, viewer, subject, None if same is None else same["given_under"]
        )
        if held is not None and same is not None and held["id"] != same["given_under"]:
            # It stood on other ground. What was given under it may be what the caller holds: not any more.
            await store.end(connection, same["id"])
            same, held = None, await store.managed_by(connection, viewer, subject, None)
        if held is None:
            raise _may_only_see()
        under, terms = held["id"], _within(terms, held, shorten=shorten)
    if same is not None:
        row = await store.update(connection, same["id"], terms, under)
    else:
        _require_room(await store.count(connection, viewer.user_id, terms.grantee, subject), limits)
        row = await store.insert(connection, new_uuid(), viewer.user_id, subject, terms, under)
    await store.notify(connection)
    return row, same is None


def _within(terms: Terms, held: asyncpg.Record, *, shorten: bool) -> Terms:
    """Without an end it ends with what the caller holds. Raises PermissionDenied for a later one."""
    if held["until"] is None:
        return terms
    if terms.until is not None and terms.until > held["until"]:
        if shorten:
            return terms._replace(until=held["until"])
        raise PermissionDenied(
            "It is shared with you for a shorter time: name an earlier end.", code="end-too-late"
        )
    return terms._replace(until=terms.until or held["until"])


def _require_room(counts: store.Counts, limits: ShareLimits) -> None:
    if counts.of_item >= limits.per_item:
        raise _too_many(f"This is shared {limits.per_item} times already (SHARES_PER_ITEM).")
    if counts.by_maker >= limits.per_maker:
        raise _too_many(f"You share {limits.per_maker} things already (SHARES_PER_MAKER).")
    if counts.by_maker_with_grantee >= limits.per_maker_and_grantee:
        most = limits.per_maker_and_grantee
        raise _too_many(f"You share {most} things with them already (SHARES_PER_MAKER_AND_GRANTEE).")
    if counts.with_grantee >= limits.per_grantee:
        raise _too_many(f"{limits.per_grantee} things are shared with them already (SHARES_PER_GRANTEE).")


def _too_many(detail: str) -> Conflict:
    return Conflict(f"{detail} Take one back first, or share a whole study.", code="too-many-shares")


def _may_only_see() -> PermissionDenied:
    return PermissionDenied(
        "You may see this, and not share it: whoever manages all of it may.", code="only-to-see"
    )


async def take_back(connection: Connection, viewer: Viewer, share_id: UUID) -> int:
    """End a share, within a transaction; how many ended with it, itself included.

    Its maker may, whoever manages the collection of what is shared, and with whom it is shared; for a group,
    who manages its collection. Raises PermissionDenied for others who know of it, else NotFound.
    """
    row = await lists_store.get(connection, share_id)
    if row is None:
        raise _no_share()
    grantee, collection = row["grantee"], row["collection"]
    if not (row["created_by"] == viewer.user_id or viewer.manages(grantee) or viewer.may_manage(collection)):
        if grantee in viewer.grantees:
            raise PermissionDenied(
                "It is shared with a group of yours: whoever manages the group may drop it."
            )
        raise _no_share()
    await store.lock_collection(connection, collection)
    ended = await store.end(connection, share_id)
    if not ended:
        raise _no_share()
    await store.notify(connection)
    return ended


def _no_share() -> NotFound:
    return NotFound("You have no share with this id.")
