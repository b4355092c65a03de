"""Parameters: dates are read strictly, and nothing odd reaches the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from services.results.read.models import ResultQuery


def test_a_date_covers_its_whole_day() -> None:
    query = ResultQuery.model_validate({"from": "2026-01-31", "to": "2026-01-31"})
    assert query.from_ == datetime(2026, 1, 31, tzinfo=UTC)
    assert query.to == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_time_is_taken_as_it_is() -> None:
    query = ResultQuery.model_validate({"from": "2026-01-31T08:00:00+02:00", "to": "2026-01-31T08:00:00.5Z"})
    assert query.from_ == datetime(2026, 1, 31, 6, tzinfo=UTC)
    assert query.to == datetime(2026, 1, 31, 8, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1738281600",
        "2026-02-30",
        "2026-W05-1",
        "20260131",
        "2026-01-31T08:00:00",
        "2026-01-31 08:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T08:00:00+99:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00-14:00",
        "٢٠٢٦-٠١-٣١",
        "0000-01-01",
    ],
)
def test_anything_else_is_no_moment(text: str) -> None:
    for name in ("from", "to"):
        with pytest.raises(ValidationError):
            ResultQuery.model_validate({name: text})


def test_the_last_day_of_all_has_no_day_after() -> None:
    with pytest.raises(ValidationError):
        ResultQuery.model_validate({"to": "9999-12-31"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "ten"},
        {"state": "done"},
        {"q": "a\x00b"},
        {"device": ""},
        {"q": "x" * 201},
        {"unknown": "1"},
    ],
)
def test_wrong_parameters(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ResultQuery.model_validate(wrong)
