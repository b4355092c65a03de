"""Environment of the processor service."""

from __future__ import annotations

import os

from pydantic import Field

from libs.common.settings.broker import BrokerSettings
from libs.common.settings.storage import StorageSettings

MIB = 1 << 20


class ProcessorSettings(BrokerSettings, StorageSettings):
    """The pool of decoder processes and its limits."""

    worker_slots: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Decoder processes side by side; unset: one per core.",
    )
    max_attempts: int = Field(
        10,
        ge=1,
        description="Deliveries of one file, lost workers included, before it fails as `worker-lost`.",
    )
    decoder_crash_attempts: int = Field(
        2,
        ge=1,
        description="Attempts at a file after which one more crash of the decoder fails it as "
        "`decoder-crashed`.",
    )
    decode_timeout: float = Field(
        300.0,
        gt=0,
        description="Seconds that decoding one file may take; a broker waits 1800 s for the four of a slot.",
    )
    decode_memory_bytes: int = Field(
        1024 * MIB, ge=256 * MIB, description="Private memory that one decoder process may take, in bytes."
    )
    max_frame_bytes: int = Field(
        256 * MIB,
        ge=1,
        description="Largest single decoded frame, in bytes; larger ones fail as `memory-limit`.",
    )
    max_inflated_bytes: int = Field(
        4096 * MIB, ge=1, description="Largest size of a Deflated data set once inflated, in bytes."
    )
