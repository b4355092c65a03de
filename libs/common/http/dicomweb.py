"""DICOMweb's addresses: what a URL names, and from which collection a caller asks (PS3.18 10)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from aiohttp import web
from pydantic import BaseModel, Field

from libs.common.access import COLLECTION_PATTERN
from libs.common.errors import InvalidRequest, NotFound
from libs.common.http.authenticate import BASE_URL
from libs.common.http.openapi import Operation
from libs.common.http.prefixes import DICOM_WEB as DICOM_WEB

COLLECTION = "collection"
_IN_COLLECTION = f"/collections/{{{COLLECTION}}}"
_COLLECTION_NAME = re.compile(COLLECTION_PATTERN)


class DicomWebQuery(BaseModel):
    """What every DICOMweb request may say beside the parameters of its own."""

    collection: str | None = Field(
        None,
        pattern=COLLECTION_PATTERN,
        description="From or into which collection, e.g. `group:3`; in the path as well: "
        "`/dicom-web/collections/group:3/…`",
    )


@dataclass(frozen=True, slots=True)
class WebAddresses:
    """Absolute URLs as callers reach them, whatever their Host header says."""

    root: str
    """Without a slash at its end."""

    def study_url(self, study_instance_uid: str) -> str:
        """The study's (PS3.18 10.1)."""
        return f"{self.root}/studies/{study_instance_uid}"

    def series_url(self, study_instance_uid: str, series_instance_uid: str) -> str:
        """The series'."""
        return f"{self.study_url(study_instance_uid)}/series/{series_instance_uid}"

    def instance_url(self, study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> str:
        """The instance's."""
        return f"{self.series_url(study_instance_uid, series_instance_uid)}/instances/{sop_instance_uid}"


def web_addresses(request: web.Request, collection: str | None) -> WebAddresses:
    """URLs made from PUBLIC_URL; with `collection` they lead there, without it to the first that answers."""
    within = "" if collection is None else f"/collections/{collection}"
    return WebAddresses(f"{request.app[BASE_URL]}{DICOM_WEB}{within}")


def asked_collection(request: web.Request) -> str | None:
    """The collection that path or query name, None where neither does.

    Raises NotFound for a path that names none, InvalidRequest for a query that does not, or names another.
    """
    in_path, in_query = request.match_info.get(COLLECTION), request.query.getall(COLLECTION, ())
    if in_path is not None and not _COLLECTION_NAME.fullmatch(in_path):
        raise NotFound("There is no such collection: it is written `user:7` or `group:3`.")
    if len(in_query) > 1:
        raise InvalidRequest(f"Given more than once: {COLLECTION}.")
    if in_query and not _COLLECTION_NAME.fullmatch(in_query[0]):
        raise InvalidRequest(f"{COLLECTION}: it is written `user:7` or `group:3`.")
    if in_query and in_path not in (None, in_query[0]):
        raise InvalidRequest("The path names one collection and the query another: leave the query's out.")
    return in_query[0] if in_query else in_path


def in_collections(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Each of them, and a second time below `/collections/{collection}`; their prefix is DICOM_WEB."""
    return tuple(
        either
        for operation in operations
        for either in (
            operation,
            replace(
                operation,
                path=_IN_COLLECTION + operation.path,
                operation_id=f"{operation.operation_id or operation.handler.__name__}_in_collection",
                problems=tuple({*operation.problems, NotFound}),
            ),
        )
    )
