"""Ids in paths: what is no id is as unknown as an id of nothing."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from libs.common.errors import NotFound


def path_uuid(request: web.Request, name: str, unknown: NotFound) -> UUID:
    """The UUID that stands for `name` in the path. Raises `unknown` for what is none."""
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise unknown from None
