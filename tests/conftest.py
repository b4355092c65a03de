"""Fixtures of the real servers; each module says what it gives."""

from __future__ import annotations

pytest_plugins = ["tests.fixtures_postgres", "tests.fixtures_rabbitmq", "tests.fixtures_mongodb"]
