"""The password that `create-user` asks for at a terminal; nothing here needs a database."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator

import pytest

from services.auth import command
from services.auth.settings import AuthSettings


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is typed, line by line; then the end of input."""
    lines: list[str] = []
    given: Iterator[str] = iter(lines)

    def ask(_: str) -> str:
        try:
            return next(given)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(getpass, "getpass", ask)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    return lines


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "No password was given; nothing was made."),
        (["once"], "No password was given; nothing was made."),
        (["once", "other"], "The two passwords differ; nothing was made."),
    ],
)
def test_no_password_is_one_sentence(
    typed: list[str], lines: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    typed += lines
    assert command.run(["create-user", "ana"], AuthSettings()) == 1
    assert capsys.readouterr().err == f"{sentence}\n"
