"""Who serves what, as the contract between clients and services says it."""

from __future__ import annotations

import pytest

from libs.common.http.prefixes import NO_PAGES, PREFIXES, service_of


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        ("POST", "/api/auth/login", "auth"),
        ("GET", "/api/auth/directory", "auth"),
        ("POST", "/api/files", "ingest"),
        ("GET", "/api/files/0198", "ingest"),
        ("PATCH", "/api/uploads/7", "ingest"),
        ("POST", "/dicom-web/studies", "ingest"),
        ("GET", "/dicom-web/studies", "results"),
        ("HEAD", "/dicom-web/studies/1.2.3", "results"),
        ("GET", "/api/results/summary", "results"),
        ("GET", "/api/studies/1.2.3", "results"),
        ("GET", "/api/events", "results"),
        ("GET", "/api/eventsource", "portal"),
        ("GET", "/api/none", "portal"),
        ("GET", "/studies/1.2.3", "portal"),
        ("GET", "/", "portal"),
    ],
)
def test_each_path_has_one_service(method: str, path: str, service: str) -> None:
    assert service_of(method, path) == service


def test_each_prefix_is_reached() -> None:
    for prefix in PREFIXES:
        assert service_of(prefix.method or "GET", prefix.path) == prefix.service


def test_first_segments_that_are_no_page() -> None:
    assert {"api", "dicom-web", "livez", "readyz", "metrics"} == NO_PAGES
