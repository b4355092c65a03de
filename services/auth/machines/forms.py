"""Forms of OAuth 2.0: reading one, the client's credentials, and refusing as its clients expect it."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from libs.common.errors import InvalidRequest, TooLarge, UnsupportedType
from libs.common.http.json import MAX_BODY_BYTES, in_time, json_response
from libs.common.http.media_type import media_type
from services.auth.machines.clients import InvalidClient

FORM = "application/x-www-form-urlencoded"


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of a small form; a repeated one counts as malformed.

    Raises UnsupportedType, TooLarge, RequestTimeout, InvalidRequest.
    """
    if media_type(request) != FORM:
        raise UnsupportedType(f"Send the body as {FORM}.")
    try:
        posted = await in_time(request.clone(client_max_size=MAX_BODY_BYTES).post())
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge(f"The body is longer than {MAX_BODY_BYTES} bytes.") from error
    except (ValueError, LookupError) as error:
        raise InvalidRequest("The form is no text in its charset: send UTF-8.") from error
    return {
        name: value
        for name, value in posted.items()
        if isinstance(value, str) and len(posted.getall(name)) == 1
    }


def credentials(request: web.Request, form: dict[str, str]) -> tuple[str, str]:
    """Client id and secret, from the header or the form (RFC 6749 2.3.1). Raises InvalidClient."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidClient from None
    return unquote_plus(name), unquote_plus(secret)


def refusal(status: int, error: str, description: str) -> web.Response:
    """An error as OAuth 2.0 clients expect it (RFC 6749 5.2)."""
    headers = {"WWW-Authenticate": 'Basic realm="token"'} if status == 401 else {}
    body: dict[str, Any] = {"error": error, "error_description": description}
    return json_response(body, status=status, headers=headers)
