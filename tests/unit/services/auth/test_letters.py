"""The mail for a forgotten password, and the settings of the server that it goes to."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from libs.common.ids import UserId
from libs.common.security.tls_rules import unprotected
from libs.common.settings.smtp import SmtpSettings
from services.auth.password_reset.letters import LETTERS, compose, link
from services.auth.password_reset.models import Recipient

FACTS: dict[str, Any] = {
    "sender": "no-reply@example.org",
    "base_url": "https://dicom.example.org",
    "token": "t" * 43,
    "seconds": 1800,
}


@pytest.mark.parametrize("language", ["es", "en", ""])
def test_it_says_who_where_and_for_how_long(language: str) -> None:
    mail = compose(Recipient(UserId(7), "ana", "ana@example.org", language), **FACTS)
    text = mail.get_content()
    for letter in [LETTERS[language]] if language else LETTERS.values():
        assert letter.subject in str(mail["Subject"])
    for said in (" ana ", "30 minut", f"\n{link('https://dicom.example.org', 't' * 43)}\n"):
        assert text.count(said) == (1 if language else 2)
    # No line is broken within the address.
    assert all(len(line) < 998 for line in mail.as_bytes().splitlines())


@pytest.mark.parametrize("address", ["a@b\r\nBcc: thief@example.org", "a@b\nX: y"])
def test_an_address_adds_no_header(address: str) -> None:
    with pytest.raises(ValueError):
        compose(Recipient(UserId(7), "ana", address, "es"), **FACTS)


def test_braces_in_a_name_are_text() -> None:
    mail = compose(Recipient(UserId(7), "{url}{0}", "ana@example.org", "en"), **FACTS)
    assert "{url}{0}" in mail.get_content()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"smtp_from": None}, "SMTP_FROM"),
        ({"smtp_username": "dicom"}, "SMTP_PASSWORD"),
        ({"smtp_username": "dicom", "smtp_password": "x", "smtp_security": "none"}, "SMTP_SECURITY"),
        ({"smtp_from": "a@b\nBcc: x@y"}, "smtp_from"),
        ({"smtp_security": "maybe"}, "smtp_security"),
    ],
)
def test_half_a_configuration_is_told(changed: dict[str, Any], said: str) -> None:
    whole: dict[str, Any] = {"smtp_host": "mail.example.org", "smtp_from": "no-reply@example.org"}
    assert SmtpSettings(**whole).smtp_port == 587
    with pytest.raises(ValidationError, match=said):
        SmtpSettings(**{**whole, **changed})


def test_plaintext_is_refused_where_tls_is_required() -> None:
    given: dict[str, Any] = {"smtp_host": "mail.example.org", "smtp_from": "no-reply@example.org"}
    assert "smtp_security" in unprotected(SmtpSettings(**given, smtp_security="none"), serves=False)
    for good in ("starttls", "tls"):
        assert unprotected(SmtpSettings(**given, smtp_security=good), serves=False) == {}
