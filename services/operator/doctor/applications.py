"""Applications that people let in: whether their pages may call at all."""

from __future__ import annotations

from collections.abc import Sequence

from libs.common.http.cross_origin import origin_of
from services.auth.provider.models import ApplicationEntry
from services.operator.doctor.report import Finding

NAME = "applications"
ADVICE = "List it in CORS_ORIGINS of auth, ingest and results, unless a program on a server answers there."


def judge_applications(found: Sequence[ApplicationEntry], allowed: frozenset[str]) -> list[Finding]:
    """What there is to say of those that are registered; `allowed` is CORS_ORIGINS. Pure.

    Those with a secret call from a server, and those of a machine's own programs from nowhere.
    """
    findings = []
    for one in found:
        if not one.is_active or one.confidential:
            continue
        pages = {origin_of(uri) for uri in one.redirect_uris if uri.startswith("https://")}
        for origin in sorted(pages - allowed):
            what = f"{one.name} is a page of {origin}, whose browsers CORS_ORIGINS does not let call."
            findings.append(Finding(NAME, "warning", what, ADVICE))
    active = sum(one.is_active for one in found)
    return findings or [Finding(NAME, "ok", f"{active} may be let in by people.")]
