"""The schema of the auth service."""

from __future__ import annotations

from pathlib import Path

from libs.common.database.migrations import Migrations

MIGRATIONS = Migrations("auth", Path(__file__).parent / "migrations")
