"""User names, and the settings that hold one."""

from __future__ import annotations

import pytest

from libs.common.errors import ConfigurationError
from libs.common.settings.loading import load_settings
from services.auth.identity.models import normal_username
from services.auth.settings import AuthSettings


@pytest.mark.parametrize("name", ["ana", "Ana.Núñez@example.org", "a+b-c_d", "9", "x" * 150])
def test_usual_names_stay_as_they_are(name: str) -> None:
    assert normal_username(name) == name


def test_one_name_has_one_spelling() -> None:
    assert normal_username("nun\N{COMBINING TILDE}ez") == "nuñez"
    assert normal_username("\N{FULLWIDTH LATIN SMALL LETTER A}na") == "ana"


@pytest.mark.parametrize(
    "name",
    ["", " ", "ana ", "a b", "ana\n", "a\0b", "x" * 151, "<b>", "a/b", "\N{ZERO WIDTH SPACE}ana", "\ud800"],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="user name"):
        normal_username(name)


def test_a_wrong_administrator_name_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_USERNAME", "the boss")
    with pytest.raises(ConfigurationError, match="ADMIN_USERNAME"):
        load_settings(AuthSettings)


def test_settings_keep_the_password_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "hunter2")
    settings = load_settings(AuthSettings)
    assert settings.admin_password is not None
    assert settings.admin_password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)
    monkeypatch.setenv("ADMIN_PASSWORD", "")
    assert load_settings(AuthSettings).admin_password is None
