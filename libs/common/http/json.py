"""JSON answers, and bodies and query strings read into models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from libs.common.errors import InvalidRequest, RequestTimeout, TooLarge, UnsupportedType
from libs.common.http.authenticate import VIA, by_link
from libs.common.http.media_type import media_type
from libs.common.http.problems import invalid_request

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
MAX_BODY_BYTES = 16_384
BODY_PROBLEMS = (TooLarge, UnsupportedType)
"""What an operation that reads a body may answer besides."""
BODY_SECONDS = 30.0
"""In which the whole of a small body must have come."""


# Medical facts and tokens: no cache on the way may keep them.
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def json_response(
    body: BaseModel | dict[str, Any] | list[Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """Answer with JSON."""
    value = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
    return web.Response(
        body=orjson.dumps(value),
        status=status,
        headers={**NO_STORE, **(headers or {})},
        content_type="application/json",
    )


async def in_time(reading: Awaitable[T]) -> T:
    """What reads a small body. Raises RequestTimeout where its sender takes too long."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await reading
    except TimeoutError as error:
        raise RequestTimeout(f"The body did not come within {BODY_SECONDS:g} s.") from error


async def parse_json(request: web.Request, model: type[M]) -> M:
    """The JSON body as `model`. Raises RequestTimeout, and InvalidRequest that names each wrong field."""
    body = await in_time(request.read())
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid_request(error) from error


async def read_body(request: web.Request, model: type[M]) -> M:
    """The JSON body, within MAX_BODY_BYTES. Raises UnsupportedType, TooLarge, and as `parse_json`."""
    if media_type(request) != "application/json":
        raise UnsupportedType("Send the body as Content-Type: application/json.")
    try:
        return await parse_json(request.clone(client_max_size=MAX_BODY_BYTES), model)
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge(f"The body is longer than {MAX_BODY_BYTES} bytes.") from error


def parse_query(request: web.Request, model: type[M]) -> M:
    """The query string as `model`. Raises InvalidRequest that names each wrong or repeated field."""
    query = request.query
    given = dict(query)
    if len(given) < len(query):
        repeated = sorted(name for name in given if len(query.getall(name)) > 1)
        raise InvalidRequest(f"Given more than once: {', '.join(repeated)}.")
    try:
        if by_link(request):
            del given[VIA]
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid_request(error) from error
