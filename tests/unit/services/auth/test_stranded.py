"""The page of words at the authorization endpoint: in which language, and for whom."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

import pytest

from services.auth.provider import stranded


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "es"),
        ("en-GB,en;q=0.9,es;q=0.8", "en"),
        ("es;q=0.5, en;q=0.7", "en"),
        ("ES-mx", "es"),
        ("de,fr;q=0.9", "es"),
        ("de, en;q=0.1", "en"),
        ("en;q=0, *", "es"),
        ("en;q=x", "es"),
        (",;=,", "es"),
    ],
)
def test_it_speaks_the_language_that_is_liked_best(accepted: str, language: str) -> None:
    assert stranded.language_of(accepted) == language


@pytest.mark.parametrize(
    ("accept", "asked"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("application/json, Text/HTML;q=0.5", True),
        ("*/*", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_only_a_browser_that_shows_it_gets_a_page(accept: str, asked: bool) -> None:
    assert stranded.is_asked_for(accept) is asked


@pytest.mark.parametrize("language", stranded.WORDS)
@pytest.mark.parametrize("unknown", [True, False])
def test_it_says_what_happened_and_what_to_do(language: str, unknown: bool) -> None:
    answer = stranded.page("/dicom/", unknown=unknown, accepted=language, status=400)
    assert answer.text is not None
    words = stranded.WORDS[language]
    for said in (*(words.unknown if unknown else words.unclear), words.kept, words.advice):
        assert said in answer.text
    assert f'<html lang="{language}">' in answer.text
    assert re.findall(r'href="([^"]*)"', answer.text) == ["/dicom/"]
    # Its one style is the one that its policy lets through.
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text
