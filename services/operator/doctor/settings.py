"""What the doctor reads from its environment beyond everybody's settings."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from libs.common.settings.database import PostgresUrl
from libs.common.settings.smtp import SmtpSettings
from services.ingest.settings import IngestSettings
from services.operator.settings import OperatorSettings


class DoctorSettings(OperatorSettings, SmtpSettings):
    """The login of each service, where they are not all reached through one DATABASE_URL."""

    auth_database_url: PostgresUrl | None = Field(
        None, description="DATABASE_URL of auth, tried by `doctor`; unset: DATABASE_URL."
    )
    database_read_url: PostgresUrl | None = Field(
        None, description="As results has it: `doctor` looks whether it is a standby of the primary."
    )
    ingest_database_url: PostgresUrl | None = Field(
        None, description="DATABASE_URL of ingest, tried by `doctor`; unset: DATABASE_URL."
    )
    audit_sink_ca_file: Path | None = Field(None, description="As auth has it.")
    audit_sink_file: Path | None = Field(
        None, description="As auth has it: `doctor` looks whether it can be written."
    )
    audit_sink_url: str | None = Field(
        None,
        pattern=r"^https://[^/\s]+",
        description="As auth has it: `doctor` verifies the certificate and sends nothing.",
    )
    max_file_bytes: int = Field(
        IngestSettings.model_fields["max_file_bytes"].default,
        ge=1,
        description="As ingest has it: what the spool must have room for.",
    )
    oidc_providers_file: Path | None = Field(
        None, description="As auth has it: `doctor` asks each provider who it is."
    )
    results_database_url: PostgresUrl | None = Field(
        None, description="DATABASE_URL of results, tried by `doctor`; unset: DATABASE_URL."
    )
