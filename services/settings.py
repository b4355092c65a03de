"""What `python -m services` reads from the environment beyond the settings of the five services."""

from __future__ import annotations

from pydantic import Field

from libs.common.settings import CommonSettings, PostgresUrl

DATABASE = "bddicomimage"


class AllInOneSettings(CommonSettings):
    """DATABASE_URL may log in as any user that can assume the services' roles."""

    database_admin_url: PostgresUrl | None = Field(
        None,
        description="postgresql:// URL of a superuser, or of the database's owner with CREATEROLE, for "
        "migrations; unset: DATABASE_URL.",
    )

    @property
    def migration_url(self) -> str | None:
        """Who migrates; None for the embedded PostgreSQL."""
        chosen = self.database_admin_url or self.database_url
        return None if chosen is None else chosen.get_secret_value()
