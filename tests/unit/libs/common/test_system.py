"""Settings in force, as operators see them: where each comes from, and no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from libs.common.http.system import settings_in_force
from libs.common.settings.base import Settings
from services.auth.settings import AuthSettings
from services.ingest.settings import IngestSettings
from services.results.settings import ResultsSettings

HUSH = "hush-5e1f"


def told(settings: Settings, **environment: str) -> dict[str, Any]:
    return {one.name: one for one in settings_in_force(settings, environment.items())}


@pytest.mark.parametrize("model", [AuthSettings, IngestSettings, ResultsSettings])
def test_no_secret_is_told(model: type[Settings]) -> None:
    secrets = [name for name, field in model.model_fields.items() if "Secret" in str(field.annotation)]
    assert "database_url" in secrets
    given: dict[str, Any] = dict.fromkeys(secrets, SecretStr(HUSH))
    found = told(model.model_construct(**given))
    assert all(found[name.upper()].secret and found[name.upper()].is_set for name in secrets)
    assert not any(HUSH in one.model_dump_json() for one in found.values())
    assert not told(model.model_construct())["DATABASE_URL"].is_set


def test_urls_lose_their_credentials() -> None:
    settings = IngestSettings.model_construct(
        storage_url=f"mongodb://ana:{HUSH}@db.example.org:27017/dicom?password={HUSH}",
        auth_jwks_url="https://auth.example.org/api/auth/jwks.json",
    )
    found = told(settings)
    assert found["STORAGE_URL"].value == "mongodb://…@db.example.org:27017/dicom?…"
    assert found["AUTH_JWKS_URL"].value == "https://auth.example.org/api/auth/jwks.json"


def test_each_says_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "max_header_depth").write_text("8")
    settings = IngestSettings(
        secrets_dir=tmp_path, max_header_depth=8, max_file_bytes=9, port=1, accepted_extensions=".dcm,.ima"
    )
    found = told(settings, MAX_FILE_BYTES="9", MAX_HEADER_BYTES="")
    sources = {name: found[name].source for name in ("MAX_FILE_BYTES", "MAX_HEADER_DEPTH", "PORT")}
    assert sources == {"MAX_FILE_BYTES": "environment", "MAX_HEADER_DEPTH": "file", "PORT": "program"}
    assert found["MAX_HEADER_BYTES"].source == "default"
    assert (found["PORT"].value, found["REQUIRE_TLS"].value, found["PUBLIC_URL"].value) == (
        "1",
        "false",
        None,
    )
    assert found["ACCEPTED_EXTENSIONS"].value == ".dcm, .ima"
    assert found["MAX_FILE_BYTES"].description.startswith("Largest single file")
