"""For whom and into which collection a request sends, and in how much of a hurry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from libs.common.access import user_collection
from libs.common.errors import InvalidContent, NotFound, PermissionDenied
from libs.common.events import Priority
from libs.common.http.authenticate import principal, viewer
from libs.common.ids import UserId
from services.ingest.intake import Sender

PRIORITY = "X-Priority"
PRIORITY_HEADER: Mapping[str, Mapping[str, Any]] = {
    PRIORITY: {
        "enum": ["normal", "urgent"],
        "default": "normal",
        "description": "`urgent` files begin before all others; takes `prioritise_dicomfile`",
    }
}


def sender_of(request: web.Request, asked: str | None) -> Sender:
    """Who sends into the `asked` collection, or else into their default one.

    Raises NotFound for a collection that the caller does not see, PermissionDenied for one only seen.
    """
    caller = viewer(request)
    collection = asked or _default_collection(request)
    if not caller.sees(collection):
        raise NotFound(f"There is no collection {collection} that you may see.")
    if not caller.manages(collection):
        raise PermissionDenied(
            f"You may look into {collection}, not add to it: ask who manages it, or leave `collection` out."
        )
    return Sender(UserId(caller.user_id), collection, _priority(request))


def _priority(request: web.Request) -> Priority:
    """Raises InvalidContent for one that there is not, PermissionDenied for one that is not the caller's."""
    match request.headers.get(PRIORITY, "normal").strip().lower():
        case "normal":
            return "normal"
        case "urgent":
            viewer(request).require("prioritise_dicomfile")
            return "urgent"
    raise InvalidContent(f"{PRIORITY} is `urgent` or `normal`; without it, files wait for their turn.")


def _default_collection(request: web.Request) -> str:
    """The caller's choice while it is open to them, else their own."""
    caller, chosen = viewer(request), principal(request).default_collection
    return chosen if chosen is not None and caller.manages(chosen) else user_collection(caller.user_id)
