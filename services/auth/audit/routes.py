"""HTTP of the audit log, for auditors."""

from __future__ import annotations

from aiohttp import web

from libs.common.http.json import NO_STORE, json_response, parse_query
from libs.common.http.openapi import Operation
from services.auth.audit import export, reading, store
from services.auth.audit.models import (
    AuditExportQuery,
    AuditLogEntry,
    AuditPage,
    AuditQuery,
    AuditState,
    ProvedState,
    SealedState,
)
from services.auth.keys import AUDITING, DATABASE


async def list_audit(request: web.Request) -> web.Response:
    """Who did what, newest first."""
    query = parse_query(request, AuditQuery)
    before = reading.decode_place(query.cursor)
    async with request.app[DATABASE].connection() as connection:
        found = await reading.find(connection, query, before, query.limit + 1)
    page = found[: query.limit]
    more = len(found) > query.limit
    return json_response(
        AuditPage(entries=page, next_cursor=reading.encode_place(page[-1]) if more else None)
    )


async def get_audit_state(request: web.Request) -> web.Response:
    """How far the log is sealed and proved."""
    async with request.app[DATABASE].connection() as connection:
        head = await store.head(connection)
        waiting, _ = await store.backlog(connection)
    looked = request.app[AUDITING].looked
    return json_response(
        AuditState(
            sealed=None
            if head is None
            else SealedState(last_seq=head.root.last_seq, sealed_at=head.root.sealed_at),
            proved=None
            if looked is None
            else ProvedState(last_seq=looked.last_seq, proved_at=looked.at, whole=looked.broken is None),
            waiting=waiting,
        )
    )


async def export_audit(request: web.Request) -> web.StreamResponse:
    """All entries that fit, oldest first, as a stream."""
    query = parse_query(request, AuditExportQuery)
    response = web.StreamResponse(headers=NO_STORE)
    response.content_type = export.MEDIA_TYPES[query.format]
    pages = reading.walk(request.app[DATABASE], query)
    # A database that is away is told by the status; after that only by an answer that is cut off.
    first: list[AuditLogEntry] = await anext(pages, [])
    await response.prepare(request)
    await response.write(export.heading(query.format) + export.lines(query.format, first))
    async for page in pages:
        await response.write(export.lines(query.format, page))
    await response.write_eof()
    return response


OPERATIONS = (
    Operation(
        "GET",
        "/audit",
        list_audit,
        "The audit log",
        tag="audit",
        query=AuditQuery,
        response=AuditPage,
        permission="view_entry",
    ),
    Operation(
        "GET",
        "/audit/state",
        get_audit_state,
        "How far the audit log is sealed and proved",
        tag="audit",
        response=AuditState,
        permission="view_entry",
    ),
    Operation(
        "GET",
        "/audit/export",
        export_audit,
        "The audit log as JSON lines, CSV or FHIR AuditEvents",
        tag="audit",
        query=AuditExportQuery,
        response_type="application/jsonl",
        permission="export_entry",
    ),
)
