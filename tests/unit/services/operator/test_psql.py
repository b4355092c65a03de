"""What everybody may read in a list of processes."""

from __future__ import annotations

import pytest

from services.operator.psql import without_password


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
