"""The common settings: what is wrong is named, and addresses are well formed."""

from __future__ import annotations

import pytest

from libs.common.errors import ConfigurationError
from libs.common.settings import CommonSettings, load_settings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("PUBLIC_URL", "portal.example.org"),
        ("PUBLIC_URL", "ftp://portal.example.org"),
        ("AUTH_JWKS_URL", "http:///api/auth/jwks.json"),
        ("PORT", "65536"),
        ("SHUTDOWN_TIMEOUT", "0"),
    ],
)
def test_a_wrong_value_stops_the_start_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load_settings(CommonSettings)


@pytest.mark.parametrize("level", ["debug", "INFO", "Warning"])
def test_log_levels_in_any_case(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)
    assert load_settings(CommonSettings).log_level == level


@pytest.mark.parametrize(
    ("host", "public_url", "expected"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:8080"),
        ("::1", None, "http://[::1]:8080"),
        ("127.0.0.1", "https://portal.example.org/", "https://portal.example.org"),
    ],
)
def test_base_url(host: str, public_url: str | None, expected: str) -> None:
    assert CommonSettings(host=host, port=8080, public_url=public_url).base_url == expected
