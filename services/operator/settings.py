"""What `python -m services` and its commands read: where everything is, and who administers it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from libs.common.settings.broker import BrokerSettings
from libs.common.settings.database import DatabaseSettings, PostgresUrl
from libs.common.settings.storage import StorageSettings
from libs.common.settings.tokens import TokenSettings

DATABASE = "bddicomimage"


class OperatorSettings(BrokerSettings, DatabaseSettings, StorageSettings, TokenSettings):
    """DATABASE_URL may log in as any user that can assume the services' roles."""

    auth_keyring_file: Path | None = Field(
        None, description="Auth's own keys, see there; unset: DATA_DIR/auth-keyring.json."
    )
    audit_anchor_file: Path | None = Field(
        None, description="Heads of the audit log that auth notes, see there: for verify-audit and restore."
    )
    backup_recipients: str | None = Field(
        None,
        pattern=r"^\s*age1[0-9a-z]+([\s,]+age1[0-9a-z]+)*\s*$",
        description="Public keys (age1…) that `backup` encrypts the database for, separated by blanks; "
        "unset: with --keyring-folder a pair made there, else the keyring alone.",
    )
    backup_identity_file: Path | None = Field(
        None,
        description="The secret key (age-keygen's file) with which `restore` opens a backup; nothing else "
        "needs it.",
    )
    database_admin_url: PostgresUrl | None = Field(
        None,
        description="postgresql:// URL of a superuser, or of the database's owner with CREATEROLE, for "
        "migrations; unset: DATABASE_URL.",
    )
    auth_password: SecretStr | None = Field(
        None, description="Password that `migrate` gives the role auth; unset: the role's is left as it is."
    )
    ingest_password: SecretStr | None = Field(None, description="The same for the role ingest.")
    results_password: SecretStr | None = Field(None, description="The same for the role results.")

    @property
    def auth_keyring_path(self) -> Path:
        """Where auth's own keys lie."""
        return self.auth_keyring_file or self.data_dir / "auth-keyring.json"

    @property
    def role_passwords(self) -> dict[str, str]:
        """Passwords that were given, by role."""
        given = {"auth": self.auth_password, "ingest": self.ingest_password, "results": self.results_password}
        return {role: secret.get_secret_value() for role, secret in given.items() if secret is not None}

    @property
    def migration_url(self) -> str | None:
        """Who migrates; None for the embedded PostgreSQL."""
        chosen = self.database_admin_url or self.database_url
        return None if chosen is None else chosen.get_secret_value()
