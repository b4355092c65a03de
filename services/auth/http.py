"""What the routes of the auth service share: ids, cursors, and who acts."""

from __future__ import annotations

import base64
import binascii

from aiohttp import web

from libs.common.access import group_collection
from libs.common.errors import InvalidRequest, NotFound, PermissionDenied
from libs.common.http.authenticate import principal, viewer
from libs.common.ids import UserId
from services.auth.identity.policy import Actor
from services.auth.keys import SESSIONS

LARGEST_ID = 2**31 - 1


def path_id(request: web.Request, name: str, unknown: str) -> int:
    """The integer id in the path. Raises NotFound with the sentence `unknown` for what is none."""
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and text[0] != "0"):
        raise NotFound(unknown)
    if int(text) > LARGEST_ID:
        raise NotFound(unknown)
    return int(text)


def encode_name(name: str) -> str:
    """The cursor after a name."""
    return base64.urlsafe_b64encode(name.encode()).rstrip(b"=").decode()


def decode_name(cursor: str | None) -> str | None:
    """The name that a page starts after. Raises InvalidRequest."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        name = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (UnicodeError, binascii.Error):
        name = ""
    if not name or "\0" in name or encode_name(name) != cursor:
        raise InvalidRequest("This cursor is not one that this service gave out: start again without it.")
    return name


def require_person(request: web.Request) -> None:
    """Raises PermissionDenied for machines: one's own account is no matter of an API key, however wide."""
    if principal(request).client_id is not None:
        raise PermissionDenied("One's own account is for people: sign in with your password.")


async def read_actor(request: web.Request) -> Actor:
    """The caller's account as it is now, narrowed to what the token allows.

    A machine is no staff. Raises NotAuthenticated.
    """
    caller = viewer(request)
    found = await request.app[SESSIONS].identity(UserId(caller.user_id))
    # A key that is limited to some permissions is no superuser, whoever made it.
    superuser = found.superuser and found.permissions <= caller.permissions
    return Actor(
        found.id,
        superuser,
        found.staff and principal(request).client_id is None,
        found.permissions & caller.permissions,
        found.collections,
        frozenset(map(group_collection, found.groups)),
    )
