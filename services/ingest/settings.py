"""Environment of the ingest service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from libs.common.settings.broker import BrokerSettings
from libs.common.settings.database import DatabaseSettings
from libs.common.settings.outbox import OutboxSettings
from libs.common.settings.storage import StorageSettings
from libs.common.settings.tokens import TokenSettings
from libs.common.settings.transfers import TransferSettings

MIB = 1 << 20
GIB = 1 << 30


class IngestSettings(
    BrokerSettings, DatabaseSettings, OutboxSettings, StorageSettings, TokenSettings, TransferSettings
):
    """Limits of an upload."""

    max_file_bytes: int = Field(8 * GIB, ge=1, description="Largest single file, in bytes.")
    max_request_bytes: int = Field(64 * GIB, ge=1, description="Largest upload request, in bytes.")
    max_decoded_bytes: int = Field(
        64 * GIB, ge=1, description="Largest size of the pixel data once decoded, in bytes, by the header."
    )
    max_request_files: int = Field(1000, ge=1, description="Largest number of files in one request.")
    max_store_instances: int = Field(
        10_000, ge=1, description="Largest number of instances in one Store request of DICOMweb (STOW-RS)."
    )
    max_concurrent_uploads: int = Field(
        128,
        ge=1,
        description="Files received at the same time, each in about 2 MiB of memory; others wait 30 s, "
        "then get 503.",
    )
    uploads_per_owner: int = Field(
        32,
        ge=1,
        description="Upload requests that one account may have under way at once on a replica, by whatever "
        "tokens and keys; more get 429. Far below MAX_CONCURRENT_UPLOADS, so that nobody alone has all.",
    )
    upload_bytes_per_owner: int = Field(
        64 * GIB,
        ge=1,
        description="Bytes that one account's uploads under way may announce together on a replica; more get "
        "429. One alone is bound by MAX_REQUEST_BYTES only.",
    )
    upload_idle_timeout: float = Field(
        60.0, gt=0, description="Seconds without a byte after which an upload is cut off."
    )
    accepted_extensions: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(), description="Comma-separated, e.g. `.dcm,.dicom`; unset: the content alone decides."
    )
    max_header_bytes: int = Field(16 * MIB, ge=1024, description="Largest header (no pixel data), in bytes.")
    max_header_elements: int = Field(200_000, ge=1, description="Largest number of elements in a header.")
    max_header_depth: int = Field(32, ge=1, description="Deepest nesting of sequences in a header.")
    max_header_seconds: float = Field(5.0, gt=0, description="Longest CPU time to parse one header.")

    @field_validator("accepted_extensions", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = {part.strip().lower() for part in value.split(",") if part.strip()}
        return frozenset(name if name.startswith(".") else f".{name}" for name in names)
