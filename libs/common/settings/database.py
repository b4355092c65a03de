"""PostgreSQL."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from libs.common.security.tls_rules import trusting
from libs.common.settings.tls import TlsSettings


def _trust_ca_file(url: SecretStr, info: ValidationInfo) -> SecretStr:
    return SecretStr(trusting(url.get_secret_value(), info.data.get("tls_ca_file")))


PostgresUrl = Annotated[SecretStr, AfterValidator(_trust_ca_file)]
"""A postgresql:// URL; one that verifies the server and names no CA does so with TLS_CA_FILE."""


class DatabaseSettings(TlsSettings):
    """For a service that has a schema."""

    database_url: PostgresUrl | None = Field(
        None,
        description="postgresql:// URL of this service's own role; unset: embedded, in one process only.",
    )
    database_pool_size: int = Field(10, ge=1, description="Largest number of PostgreSQL connections.")
    database_set_role: bool = Field(
        False, description="SET ROLE to the service's own role after login; `python -m services` turns it on."
    )
    audit_strict_reads: bool = Field(
        False,
        description="Write what was read to the audit log before the answer begins, not within a second: "
        "a service that is killed then loses no entry, and each read waits for PostgreSQL.",
    )
    database_timeout: float = Field(
        10.0, gt=0, description="Seconds to wait for a connection or a statement before answering 503."
    )
