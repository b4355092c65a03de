"""The environment: values that are no good, names that look misspelt, connections without TLS."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import SettingsError

from libs.common.errors import ConfigurationError
from libs.common.security.tls_rules import unprotected
from libs.common.settings.loading import load_settings
from libs.common.settings.tls import TlsSettings
from services.auth.settings import AuthSettings
from services.ingest.dimse.settings import DimseSettings
from services.ingest.settings import IngestSettings
from services.operator.doctor.report import Finding
from services.operator.doctor.settings import DoctorSettings
from services.portal.settings import PortalSettings
from services.processor.settings import ProcessorSettings
from services.results.settings import ResultsSettings

NAME = "configuration"
MODELS: tuple[type[TlsSettings], ...] = (
    DoctorSettings,
    AuthSettings,
    IngestSettings,
    DimseSettings,
    ProcessorSettings,
    ResultsSettings,
    PortalSettings,
)
SIMILAR = 0.86
"""Of 1: one letter of ten."""
S = TypeVar("S", bound=TlsSettings)


def known_names() -> frozenset[str]:
    """Every setting of every service, in upper case."""
    return frozenset(name.upper() for model in MODELS for name in model.model_fields)


def misspelt(names: Iterable[str]) -> dict[str, str]:
    """Names that are no setting, each with the one it is probably meant to be."""
    known = known_names()
    found = {}
    for name in sorted(set(names) - known):
        if any(name.endswith(f"_{setting}") for setting in known):
            # Somebody else's, such as TEST_DATABASE_URL or a cluster's INGEST_PORT.
            continue
        close = difflib.get_close_matches(name, known, 1, SIMILAR)
        if close:
            found[name] = close[0]
    return found


def check(environment: Mapping[str, str], settings: TlsSettings | None) -> list[Finding]:
    """What is wrong with the settings; `settings` are those that could be read, None if none could."""
    # One wrong variable is read by several services, and told once.
    wrong = {detail: None for model in MODELS if (detail := _fault(model)) is not None}
    findings = [Finding(NAME, "problem", detail, "Correct it in the environment.") for detail in wrong]
    findings += [
        Finding(NAME, "warning", f"{name} is set, which nobody reads.", f"Did you mean {meant}?")
        for name, meant in misspelt(environment).items()
    ]
    if settings is not None and settings.secrets_dir is not None and settings.secrets_dir.is_dir():
        files = {path.name.upper(): path for path in settings.secrets_dir.iterdir() if path.is_file()}
        findings += [
            Finding(
                NAME, "warning", f"Nobody reads the file {files[name]}.", f"Did you mean {meant.lower()}?"
            )
            for name, meant in misspelt(files).items()
        ]
    if (
        settings is not None
        and not settings.require_tls
        and (open_ones := unprotected(settings, serves=False))
    ):
        listed = ", ".join(name.upper() for name in open_ones)
        findings.append(
            Finding(
                NAME,
                "note",
                f"Not verified TLS: {listed}.",
                "On a network, use TLS and set REQUIRE_TLS=true (SECURITY.md).",
            )
        )
    if not any(finding.level == "problem" for finding in findings):
        findings.append(Finding(NAME, "ok", "Every setting can be read."))
    return findings


def _fault(model: type[TlsSettings]) -> str | None:
    try:
        load_settings(model)
    except ConfigurationError as error:
        return error.detail
    return None


def readable(model: type[S]) -> S | None:
    """The settings, with the default in the place of each that is wrong: the rest is examined all the same.

    None when they cannot be read at all.
    """
    try:
        return load_settings(model)
    except ConfigurationError as error:
        cause = error.__cause__
    wrong = _wrong_fields(cause) if isinstance(cause, ValidationError) else set()
    if not wrong <= model.model_fields.keys():
        return None
    # What REQUIRE_TLS forbids is examined, not obeyed.
    given: dict[str, Any] = {"require_tls": False}
    given |= {name: model.model_fields[name].get_default(call_default_factory=True) for name in wrong}
    secrets_dir = os.environ.get("SECRETS_DIR")
    if secrets_dir and Path(secrets_dir).is_dir():
        given["_secrets_dir"] = secrets_dir
    try:
        with warnings.catch_warnings(action="ignore"):
            return model(**given)
    except (ValidationError, SettingsError, OSError):
        return None


def _wrong_fields(error: ValidationError) -> set[str]:
    return {str(problem["loc"][0]) if problem["loc"] else "" for problem in error.errors()}
