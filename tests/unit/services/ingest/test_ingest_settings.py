"""Settings of the ingest service."""

from __future__ import annotations

import pytest

from libs.common.errors import ConfigurationError
from libs.common.settings.loading import load_settings
from services.ingest.settings import IngestSettings


def test_extensions_are_a_list_with_or_without_dots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCEPTED_EXTENSIONS", ".dcm, DICOM,")
    assert load_settings(IngestSettings).accepted_extensions == {".dcm", ".dicom"}


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCEPTED_EXTENSIONS", "")
    assert load_settings(IngestSettings).accepted_extensions == frozenset()


def test_every_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")
    monkeypatch.setenv("MAX_FILE_BYTES", "-1")
    with pytest.raises(ConfigurationError, match=r"PORT.*MAX_FILE_BYTES"):
        load_settings(IngestSettings)
