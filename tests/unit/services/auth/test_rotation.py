"""The rule of refresh tokens, tried on made-up sessions and on whole histories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.ids import UserId, new_uuid
from services.auth.sessions.models import Session
from services.auth.sessions.rotation import Decision, RefreshToken, decide, decode, new_salt, new_token

START = datetime(2026, 1, 1, tzinfo=UTC)
GRACE = timedelta(seconds=10)
IDLE = timedelta(days=7)


def session_of(token: RefreshToken) -> Session:
    return Session(
        id=token.session_id,
        user_id=UserId(1),
        token_hash=token.hash,
        previous_hash=None,
        rotation_salt=None,
        rotated_at=None,
        last_used_at=START,
        expires_at=START + timedelta(days=14),
        revoked_at=None,
        remote_address="",
        proof="password",
        now=START,
    )


def rotated(session: Session, token: RefreshToken) -> tuple[Session, RefreshToken]:
    salt = new_salt()
    following = token.successor(salt)
    return replace(
        session,
        token_hash=following.hash,
        previous_hash=token.hash,
        rotation_salt=salt,
        rotated_at=session.now,
    ), following


def after(session: Session, seconds: float) -> Session:
    return replace(session, now=session.now + timedelta(seconds=seconds))


def test_a_token_survives_its_text_form() -> None:
    token = new_token(new_uuid())
    assert decode(token.encode()) == token
    assert len(token.encode()) == 32 + 1 + 43


@given(st.one_of(st.text(), st.from_regex(r"[0-9a-f]{32}\.[A-Za-z0-9_=-]{0,50}", fullmatch=True)))
def test_other_text_is_no_token(text: str) -> None:
    token = decode(text)
    assert token is None or token.encode() == text


def test_the_database_alone_cannot_make_the_successor() -> None:
    token = new_token(new_uuid())
    session, following = rotated(session_of(token), token)
    assert session.rotation_salt is not None
    assert RefreshToken(token.session_id, token.hash).successor(session.rotation_salt) != following
    assert following.secret not in (session.token_hash, session.previous_hash, session.rotation_salt)
    assert token.successor(new_salt()) != following


def test_the_first_use_rotates_at_any_age() -> None:
    token = new_token(new_uuid())
    assert decide(session_of(token), token, GRACE, IDLE) is Decision.ROTATE
    assert decide(after(session_of(token), 86_400), token, GRACE, IDLE) is Decision.ROTATE


def test_within_the_grace_period_everything_in_flight_fits_together() -> None:
    first = new_token(new_uuid())
    session, second = rotated(session_of(first), first)
    soon = after(session, 9.9)
    assert decide(soon, first, GRACE, IDLE) is Decision.REPEAT
    assert session.rotation_salt is not None
    assert first.successor(session.rotation_salt) == second
    assert decide(soon, second, GRACE, IDLE) is Decision.KEEP


def test_after_the_grace_period_the_old_token_ends_the_session() -> None:
    first = new_token(new_uuid())
    session, second = rotated(session_of(first), first)
    later = after(session, 10.0)
    assert decide(later, first, GRACE, IDLE) is Decision.REVOKE
    assert decide(later, second, GRACE, IDLE) is Decision.ROTATE


def test_without_a_grace_period_the_old_token_ends_the_session_at_once() -> None:
    first = new_token(new_uuid())
    session, second = rotated(session_of(first), first)
    assert decide(session, first, timedelta(0), IDLE) is Decision.REVOKE
    assert decide(session, second, timedelta(0), IDLE) is Decision.ROTATE


@pytest.mark.parametrize("seconds", [0.0, 5.0, 20.0])
def test_an_older_or_invented_secret_ends_the_session(seconds: float) -> None:
    first = new_token(new_uuid())
    session, second = rotated(session_of(first), first)
    session, _ = rotated(after(session, 30.0), second)
    session = after(session, seconds)
    assert decide(session, first, GRACE, IDLE) is Decision.REVOKE
    assert decide(session, new_token(session.id), GRACE, IDLE) is Decision.REVOKE


def test_a_session_that_is_over_stays_over() -> None:
    token = new_token(new_uuid())
    session = session_of(token)
    assert decide(replace(session, revoked_at=START), token, GRACE, IDLE) is Decision.REFUSE
    assert decide(replace(session, now=session.expires_at), token, GRACE, IDLE) is Decision.REFUSE
    before = replace(session, now=session.expires_at - timedelta(seconds=1), last_used_at=session.expires_at)
    assert decide(before, token, GRACE, IDLE) is Decision.ROTATE


def test_a_session_that_nobody_used_is_over() -> None:
    token = new_token(new_uuid())
    session = session_of(token)
    assert decide(replace(session, now=START + IDLE), token, GRACE, IDLE) is Decision.REFUSE
    before = replace(session, now=START + IDLE - timedelta(seconds=1))
    assert decide(before, token, GRACE, IDLE) is Decision.ROTATE
    used = replace(session, now=START + IDLE, last_used_at=START + timedelta(hours=1))
    assert decide(used, token, GRACE, IDLE) is Decision.ROTATE


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 15)), max_size=30))
def test_tabs_that_take_what_they_are_given_never_lose_the_session(steps: list[tuple[int, float]]) -> None:
    """Three tabs share a jar; each refreshes with what the jar held at most one grace period ago."""
    jar = new_token(new_uuid())
    session = session_of(jar)
    replaced: tuple[RefreshToken, datetime] | None = None
    for tab, pause in steps:
        session = after(session, pause)
        stale = replaced is not None and session.now - replaced[1] < GRACE and tab > 0
        presented = replaced[0] if replaced is not None and stale else jar
        match decide(session, presented, GRACE, IDLE):
            case Decision.ROTATE:
                replaced = (jar, session.now)
                session, jar = rotated(session, presented)
            case Decision.KEEP:
                assert presented == jar
            case Decision.REPEAT:
                assert session.rotation_salt is not None
                assert presented.successor(session.rotation_salt) == jar
            case other:
                pytest.fail(f"{other} for an honest client")
