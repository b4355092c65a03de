"""What the audit log's keeping reads from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from libs.common.settings.base import Settings

LEAST_MONTHS = 12
"""No service may drop what is younger; the database refuses it as well."""
LEAST_SECRET = 24
"""Characters."""


class AuditSettings(Settings):
    """Proving, keeping and handing on the audit log."""

    audit_anchor_file: Path | None = Field(
        None,
        description="File to which each head of the audit log is appended, best on another machine's disk: "
        "by it a log whose end was cut off is told from a whole one.",
    )
    audit_verify_seconds: float = Field(
        3600.0, ge=1, description="Seconds between looks at what was added to the audit log since the last."
    )
    audit_verify_whole_seconds: float = Field(
        86_400.0, ge=1, description="Seconds between looks at the whole audit log; the first is at the start."
    )
    audit_retention_months: int = Field(
        0,
        ge=0,
        description="Months that the audit log is kept after they have ended, at least 12 (HIPAA asks for "
        "72); 0: for ever. A month that is dropped leaves a signed statement.",
    )
    audit_sink_file: Path | None = Field(
        None, description="File to which each sealed entry is appended as a line of JSON, for a SIEM's agent."
    )
    audit_sink_file_bytes: int = Field(
        64 << 20, ge=1 << 16, description="Size at which AUDIT_SINK_FILE is put aside as .1, .2, …"
    )
    audit_sink_file_count: int = Field(
        10, ge=1, description="How many files that were put aside are kept; older ones are removed."
    )
    audit_sink_url: str | None = Field(
        None,
        pattern=r"^https://[^/\s]+",
        description="https:// address of a SIEM that sealed entries are posted to as JSON lines, signed with "
        "AUDIT_SINK_SECRET; each is sent until it is answered 2xx.",
    )
    audit_sink_ca_file: Path | None = Field(
        None, description="PEM file with the CAs that AUDIT_SINK_URL is verified with; unset: the system's."
    )
    audit_sink_secret: SecretStr | None = Field(
        None,
        description="What signs the posts to AUDIT_SINK_URL (HMAC-SHA256, header webhook-signature).",
    )

    @field_validator("audit_retention_months")
    @classmethod
    def _long_enough(cls, months: int) -> int:
        if 0 < months < LEAST_MONTHS:
            raise ValueError(f"give 0 or at least {LEAST_MONTHS}")
        return months

    @model_validator(mode="after")
    def _posts_are_signed(self) -> Self:
        given = self.audit_sink_secret
        if self.audit_sink_url is not None and (
            given is None or len(given.get_secret_value()) < LEAST_SECRET
        ):
            raise ValueError(
                f"AUDIT_SINK_SECRET: give the receiver and us one of at least {LEAST_SECRET} characters"
            )
        return self
