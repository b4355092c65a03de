"""Environment of the DICOM door: DIMSE over TCP, beside what ingest itself reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from services.ingest.settings import MIB, IngestSettings

PORT = 11112
"""Registered with IANA for DICOM (`dicom` over any port but 104)."""
AE_TITLE = re.compile(r"[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?")
"""PS3.5 6.2 (AE): 1 to 16 characters, no backslash, no control characters, no spaces around."""


class DimseSettings(IngestSettings):
    """Where modalities send to, and how much they may take up."""

    dimse_host: str | None = Field(
        None, description="Address that C-STORE and C-ECHO are listened for on; unset: HOST."
    )
    dimse_port: int = Field(
        PORT,
        ge=0,
        le=65535,
        description="Port that C-STORE and C-ECHO are listened for on; 0 picks a free one.",
    )
    dimse_ae_title: str = Field(
        "DICOM", description="This system's AE title: calls of another one are rejected. 1 to 16 characters."
    )
    dimse_unknown_sop_classes: bool = Field(
        False,
        description="Take objects of SOP classes that no edition of the standard names as well: private "
        "ones, and those to come.",
    )
    dimse_max_pdu: int = Field(
        MIB // 8,
        ge=4096,
        le=MIB,
        description="Largest PDU that senders may send, in bytes: an association holds a few of them.",
    )
    dimse_associations: int = Field(
        64, ge=1, description="Associations at once on a replica; more are rejected as temporary congestion."
    )
    dimse_associations_per_peer: int = Field(
        32, ge=1, description="The same of one peer; more are rejected as local limit exceeded."
    )
    dimse_acse_timeout: float = Field(
        30.0,
        gt=0,
        description="Seconds in which a connection must ask for its association, and may be released.",
    )
    dimse_network_timeout: float = Field(
        60.0, gt=0, description="Seconds in which each PDU of a message that has begun must come."
    )
    dimse_idle_timeout: float = Field(
        300.0, gt=0, description="Seconds between messages after which an association is aborted."
    )

    dimse_tls_cert_file: Path | None = Field(
        None,
        description="PEM file with the certificate of the DICOM port and its chain, read anew when it "
        "changes; set: TLS only.",
    )
    dimse_tls_key_file: Path | None = Field(
        None, description="PEM file with the private key of DIMSE_TLS_CERT_FILE."
    )
    dimse_tls_ca_file: Path | None = Field(
        None,
        description="PEM file with the CAs of senders' certificates, read at the start; set: a sender must "
        "show one. A peer may be bound to one certificate.",
    )
    dimse_plaintext: bool = Field(
        False,
        description="No TLS on the DICOM port, whatever certificate and REQUIRE_TLS say: for modalities that "
        "know nothing else, in a network of their own.",
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.dimse_tls_cert_file is None) != (self.dimse_tls_key_file is None):
            raise ValueError("set DIMSE_TLS_CERT_FILE and DIMSE_TLS_KEY_FILE, or neither")
        if self.dimse_tls_ca_file is not None and self.dimse_tls_cert_file is None:
            raise ValueError("DIMSE_TLS_CA_FILE: set DIMSE_TLS_CERT_FILE as well")
        return self

    @property
    def dimse_forbidden(self) -> bool:
        """Whether REQUIRE_TLS keeps the port closed as it is configured."""
        return self.require_tls and self.dimse_tls_cert_file is None and not self.dimse_plaintext

    @field_validator("dimse_ae_title")
    @classmethod
    def _is_ae_title(cls, value: str) -> str:
        if AE_TITLE.fullmatch(value.strip()) is None:
            raise ValueError("an AE title is 1 to 16 printable ASCII characters, none of them a backslash")
        return value.strip()
