"""Fixtures of the real servers; each module says what it gives."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = [
    "tests.fixtures_postgres",
    "tests.fixtures_rabbitmq",
    "tests.fixtures_mongodb",
    "tests.fixtures_reconcile",
    "tests.fixtures_auth",
]

# No test asserts a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
