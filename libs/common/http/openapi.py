"""OpenAPI 3.1 from the same table that registers the routes, so that the two cannot differ."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from libs.common.errors import (
    DicomSystemError,
    InvalidRequest,
    NotAuthenticated,
    PermissionDenied,
    RequestTimeout,
    Unavailable,
)
from libs.common.http.audited import AUDIT_RULES, Audited, AuditRule
from libs.common.http.authenticate import BY_LINK, LINK, VIA, Gate, declare
from libs.common.http.json import json_response
from libs.common.http.prefixes import is_dicomweb
from libs.common.http.problems import RequestHandler
from libs.common.permissions import Permission
from libs.common.security.cookies import ACCESS_COOKIE, LINK_COOKIE, cookie_name

_REF = "#/components/schemas/{model}"
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem document; `code` is stable.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
}


@dataclass(frozen=True)
class Operation:
    """One method on one path. `path` is relative to the prefix and may hold `{name}` or `{name:regex}`."""

    method: str
    path: str
    handler: RequestHandler
    summary: str
    tag: str = ""
    query: type[BaseModel] | None = None
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Request headers that change what is done, and their schemas."""
    body: type[BaseModel] | dict[str, Any] | None = None
    """A model (JSON), or media type -> schema."""
    body_required: bool = True
    response: type[BaseModel] | None = None
    response_type: str = "application/json"
    other_types: tuple[str, ...] = ()
    """Media types that the answer may have instead, by the Accept header."""
    status: int = 200
    problems: tuple[type[DicomSystemError], ...] = field(default=())
    also: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    """Other answers that are no problem, by status."""
    refusals: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    """Refusals that are no problem documents, by status: what another standard prescribes."""
    refusal_types: tuple[str, ...] = ()
    """Media types that a 400 may have instead of a problem document, by the Accept header."""
    public: bool = False
    before_password_change: bool = False
    """Open also to whoever must change their password before anything else."""
    permission: Permission | None = None
    """What a caller must have been given; None: everybody who is signed in."""
    audited: Audited = "always"
    """Which requests leave an entry in the audit log."""
    by_link: bool = False
    """Open also to who has no account and opened a link, as far as that reaches; needs a permission."""
    head: bool = False
    """Whether HEAD is answered by the same handler, without a body."""
    operation_id: str = ""
    """Of a handler's second route; its first is called by the handler's name."""

    @property
    def gate(self) -> Gate:
        """Whom the route lets in."""
        if self.public:
            return "anyone"
        if self.before_password_change:
            return "whoever must change their password"
        return self.permission or "signed in"


def add_operations(
    app: web.Application,
    *,
    prefix: str,
    title: str,
    service: str,
    operations: Sequence[Operation],
    document_path: str | None = None,
) -> None:
    """Register the routes and serve their description at `<prefix>/openapi.json`.

    `service` is who notes them for the audit log.
    """
    # A quarter of a second that no start needs, made when somebody asks.
    document = cache(partial(describe, prefix, title, operations))

    async def openapi(_: web.Request) -> web.Response:
        return json_response(await asyncio.to_thread(document))

    app.router.add_get(document_path or f"{prefix}/openapi.json", openapi)
    declare(app, "anyone", openapi)
    for operation in operations:
        declare(app, operation.gate, operation.handler)
        app[AUDIT_RULES][operation.handler] = AuditRule(
            service, operation.handler.__name__, operation.audited
        )
        if operation.by_link:
            app[BY_LINK].add(operation.handler)
        app.router.add_route(operation.method, prefix + operation.path, operation.handler)
        if operation.head:
            app.router.add_route("HEAD", prefix + operation.path, operation.handler)


def describe(prefix: str, title: str, operations: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `operations`."""
    models = {
        m
        for o in operations
        for m in (o.body, o.response, *o.also.values(), *o.refusals.values())
        if isinstance(m, type)
    }
    _, schemas = models_json_schema(
        [(m, "validation") for m in sorted(models, key=lambda m: m.__name__)], ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = re.sub(r"\{(\w+):[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", r"{\1}", prefix + operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {
            "schemas": {**schemas.get("$defs", {}), "Problem": _PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "basic": {"type": "http", "scheme": "basic", "description": "An API key as the password"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": cookie_name(ACCESS_COOKIE, secure=True)},
                "link": {"type": "apiKey", "in": "cookie", "name": cookie_name(LINK_COOKIE, secure=True)},
            },
        },
    }


def _operation(operation: Operation, path: str) -> dict[str, Any]:
    security: list[dict[str, list[str]]] = [{}] if operation.public else [{"bearer": []}, {"cookie": []}]
    if operation.by_link:
        security.append({"link": []})
    if is_dicomweb(path) and not operation.public:
        security.append({"basic": []})
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.operation_id or operation.handler.__name__,
        "parameters": _parameters(operation, path),
        "responses": _responses(operation),
        "security": security,
    }
    if operation.permission is not None:
        described["x-permission"] = operation.permission
    if operation.tag:
        described["tags"] = [operation.tag]
    if operation.body is not None:
        content = (
            {media: {"schema": schema} for media, schema in operation.body.items()}
            if isinstance(operation.body, dict)
            else {"application/json": {"schema": {"$ref": _REF.format(model=operation.body.__name__)}}}
        )
        described["requestBody"] = {"required": operation.body_required, "content": content}
    return described


def _parameters(operation: Operation, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", **({"format": "uuid"} if name in ("id", "file_id") else {})},
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    if operation.query is not None:
        schema = operation.query.model_json_schema()
        required = set(schema.get("required", ()))
        found.extend(
            {"name": name, "in": "query", "required": name in required, "schema": part}
            for name, part in schema.get("properties", {}).items()
        )
    found.extend(
        {"name": name, "in": "header", "required": False, "schema": dict(part)}
        for name, part in operation.headers.items()
    )
    if operation.by_link:
        schema = {"const": LINK, "description": "Answer by the link that this browser has opened"}
        found.append({"name": VIA, "in": "query", "required": False, "schema": schema})
    return found


def _json_type(operation: Operation) -> str:
    """What its answers come in that are no problems."""
    return operation.response_type if operation.response_type.endswith("json") else "application/json"


def _responses(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.response is not None:
        schema: dict[str, Any] = {"$ref": _REF.format(model=operation.response.__name__)}
        success["content"] = {operation.response_type: {"schema": schema}}
    elif operation.response_type != "application/json":
        success["content"] = {operation.response_type: {"schema": {"type": "string"}}}
    for media in operation.other_types:
        success.setdefault("content", {})[media] = {"schema": {}}
    problems: set[type[DicomSystemError]] = {*operation.problems, Unavailable}
    if operation.body is not None or operation.query is not None or "{" in operation.path:
        problems.add(InvalidRequest)
    if operation.body is not None:
        problems.add(RequestTimeout)
    if not operation.public:
        problems.update((NotAuthenticated, PermissionDenied))
    responses = {str(operation.status): success}
    for error in sorted(problems, key=lambda e: e.status):
        names_permission = error is PermissionDenied and operation.permission is not None
        responses[str(error.status)] = {
            "description": f"{error.title}: takes the permission `{operation.permission}`"
            if names_permission
            else error.title,
            "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="Problem")}}},
        }
    for media in operation.refusal_types:
        responses[str(InvalidRequest.status)]["content"][media] = {"schema": {"type": "string"}}
    for status, model in (*operation.also.items(), *operation.refusals.items()):
        described = responses.setdefault(
            str(status), {"description": HTTPStatus(status).phrase, "content": {}}
        )
        described["content"][_json_type(operation)] = {"schema": {"$ref": _REF.format(model=model.__name__)}}
        for media in operation.other_types:
            described["content"][media] = {"schema": {}}
    return responses
