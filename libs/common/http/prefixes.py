"""Who serves what: the one table that gateways, routes and the portal follow (tests compare them with it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Service = Literal["auth", "ingest", "results", "portal"]


@dataclass(frozen=True)
class Prefix:
    """A path and everything below it, with any method unless one is named."""

    path: str
    service: Service
    method: str | None = None

    def covers(self, method: str, path: str) -> bool:
        """Whether this request falls under it, in whole segments: `/api/files` covers no `/api/filesets`."""
        return self.method in (None, method) and (path == self.path or path.startswith(f"{self.path}/"))


PREFIXES = (
    Prefix("/api/auth", "auth"),
    Prefix("/api/files", "ingest"),
    Prefix("/api/uploads", "ingest"),
    Prefix("/api/quarantine", "ingest"),
    Prefix("/api/peers", "ingest"),
    # STOW-RS stores, QIDO-RS and WADO-RS read (PS3.18 10).
    Prefix("/dicom-web", "ingest", method="POST"),
    Prefix("/dicom-web", "results"),
    Prefix("/api/results", "results"),
    Prefix("/api/studies", "results"),
    Prefix("/api/series", "results"),
    Prefix("/api/shares", "results"),
    Prefix("/api/links", "results"),
    Prefix("/api/views", "results"),
    Prefix("/api/events", "results"),
    Prefix("/api/changes", "results"),
    Prefix("/api/webhooks", "results"),
    Prefix("/api/statistics", "results"),
    Prefix("/api/processing", "results"),
)
"""The first that covers a request decides; what none covers is the portal's."""

DICOM_WEB = "/dicom-web"
"""The root of DICOMweb (PS3.18 10)."""


def is_dicomweb(path: str) -> bool:
    """Whether it lies below the root of DICOMweb."""
    return path == DICOM_WEB or path.startswith(f"{DICOM_WEB}/")


PRIVATE = ("/livez", "/readyz", "/metrics")
"""Every service's own; no gateway leads there."""

LINK_PAGES = "/s/"
"""Pages of links: what follows may be a token, which no log keeps."""

NO_PAGES = frozenset(path.split("/")[1] for path in (*(prefix.path for prefix in PREFIXES), *PRIVATE))
"""First segments below which nothing is a page: what is unknown there is a 404 problem."""


def service_of(method: str, path: str) -> Service:
    """The service that a gateway asks."""
    return next((prefix.service for prefix in PREFIXES if prefix.covers(method, path)), "portal")
