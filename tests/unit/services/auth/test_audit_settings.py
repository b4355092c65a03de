"""Settings of the audit log that would weaken it are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.auth.audit.settings import LEAST_SECRET, AuditSettings

URL = "https://siem.example.org/collect"


@pytest.mark.parametrize(
    "given",
    [
        {"audit_retention_months": 11},
        {"audit_retention_months": -1},
        {"audit_sink_url": URL},
        {"audit_sink_url": URL, "audit_sink_secret": "x" * (LEAST_SECRET - 1)},
        {"audit_sink_url": "http://siem.example.org/", "audit_sink_secret": "x" * LEAST_SECRET},
    ],
)
def test_what_would_weaken_the_log_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AuditSettings(**given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"audit_retention_months": 12},
        {"audit_sink_secret": "short, and used for nothing"[:5]},
        {"audit_sink_url": URL, "audit_sink_secret": "x" * LEAST_SECRET},
    ],
)
def test_the_rest_is_taken(given: dict[str, Any]) -> None:
    AuditSettings(**given)
