"""Requests that show where each prefix of the table begins, ends and leads."""

from __future__ import annotations

from collections.abc import Iterator

from libs.common.http.prefixes import PREFIXES, service_of


def requests() -> Iterator[tuple[str, str, str]]:
    """Method, path and the service that answers."""
    for path in ("/", "/studies/1.2.3", "/static/1/js/main.js", "/api", "/api/none", "/dicom", "/livezz"):
        yield "GET", path, "portal"
    for path in sorted({prefix.path for prefix in PREFIXES}):
        for method in ("GET", "POST", "DELETE", "OPTIONS", "HEAD"):
            yield method, path, service_of(method, path)
            yield method, f"{path}/1.2.3/x", service_of(method, f"{path}/1.2.3/x")
        # Prefixes are whole segments.
        yield "GET", f"{path}x", "portal"
