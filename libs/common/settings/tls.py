"""Certificates: this process's own, and the authorities that it trusts."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from libs.common.settings.base import Settings


class TlsSettings(Settings):
    """What every process reads that listens or connects."""

    tls_cert_file: Path | None = Field(
        None,
        description="PEM file with this process's certificate and its chain, read anew when it changes; set: "
        "HTTPS only.",
    )
    tls_key_file: Path | None = Field(None, description="PEM file with the private key of TLS_CERT_FILE.")
    tls_ca_file: Path | None = Field(
        None,
        description="PEM file with the CAs that RabbitMQ, PostgreSQL, MongoDB, the token keys and the OTLP "
        "endpoint are verified with, read anew for each connection (for MongoDB at the start); unset: the "
        "system's.",
    )
    require_tls: bool = Field(
        False, description="Refuse to start when a configured connection would be plaintext or unverified."
    )

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if self.tls_cert_file is not None and self.tls_key_file is None:
            raise ValueError("TLS_KEY_FILE: set it as well, to the private key of TLS_CERT_FILE")
        if self.tls_key_file is not None and self.tls_cert_file is None:
            raise ValueError("TLS_CERT_FILE: set it as well, to the certificate of TLS_KEY_FILE")
        return self
