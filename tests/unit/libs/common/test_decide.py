"""The rule that says what becomes of a handled event."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import TypeAdapter, ValidationError

from libs.common.bus.retry import MAX_DELIVERIES, Ack, Dead, Leave, Retry, decide
from libs.common.errors import (
    AttemptFailed,
    ConfigurationError,
    NotFound,
    ObjectCorrupt,
    Reject,
    Unavailable,
    Undelivered,
)


def test_a_handler_that_returns_is_done() -> None:
    assert decide(None, 1) == decide(None, MAX_DELIVERIES + 5) == Ack()


@pytest.mark.parametrize("attempt", [1, MAX_DELIVERIES, 1000])
def test_a_missing_dependency_is_retried_for_ever_and_never_counted(attempt: int) -> None:
    assert decide(Unavailable("away"), attempt) == Retry(counted=False)


@pytest.mark.parametrize(
    "error", [ValueError("x"), ObjectCorrupt(), NotFound(), ConfigurationError(), OSError()]
)
def test_any_other_error_is_counted_until_attempts_are_spent(error: Exception) -> None:
    for attempt in range(1, MAX_DELIVERIES):
        assert decide(error, attempt) == Retry(counted=True)
    for attempt in (MAX_DELIVERIES, MAX_DELIVERIES + 7):
        assert decide(error, attempt) == Dead(f"given up after {attempt} attempts: {type(error).__name__}")


def test_an_attempt_that_leaves_word_is_counted_like_any_and_given_up_by_its_cause() -> None:
    failure = AttemptFailed({"reason": "decoder-crashed"})
    failure.__cause__ = OSError()
    assert decide(failure, 1) == Retry(counted=True, note={"reason": "decoder-crashed"})
    assert decide(failure, MAX_DELIVERIES) == Dead(f"given up after {MAX_DELIVERIES} attempts: OSError")


@pytest.mark.parametrize("counted", [1, MAX_DELIVERIES, MAX_DELIVERIES + 7])
def test_a_handler_that_knows_its_attempt_is_believed(counted: int) -> None:
    """The bus also counts deliveries that lost workers merely held."""
    assert decide(AttemptFailed(attempt=2), counted) == Retry(counted=True, attempt=2)
    last = AttemptFailed(attempt=MAX_DELIVERIES)
    assert decide(last, counted) == Dead(f"given up after {MAX_DELIVERIES} attempts: AttemptFailed")


def test_a_rejection_is_final() -> None:
    assert decide(Reject("nobody can read this"), 1) == Dead("nobody can read this")
    assert decide(Reject(), 1) == Dead("rejected")


def test_a_validation_error_is_final_and_quotes_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, int]).validate_python({"rows": "SECRET^NAME"})
    decision = decide(caught.value, 1)
    assert isinstance(decision, Dead)
    assert "rows" in decision.reason
    assert "SECRET" not in decision.reason


def test_a_nested_give_up_is_final_and_keeps_who_gave_up() -> None:
    assert decide(Undelivered("results.files", "too strange"), 3) == Dead("too strange", "results.files")


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(1)])
def test_the_end_of_the_process_settles_nothing(error: BaseException) -> None:
    assert decide(error, 1) == decide(error, MAX_DELIVERIES + 1) == Leave()
