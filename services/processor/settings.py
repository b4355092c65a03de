"""Environment of the processor service."""

from __future__ import annotations

import math

from pydantic import Field

from libs.common.bus.retry import MAX_DELIVERIES
from libs.common.settings.broker import BrokerSettings
from libs.common.settings.storage import StorageSettings
from services.processor.admission.machine import Machine

MIB = 1 << 20


class ProcessorSettings(BrokerSettings, StorageSettings):
    """The pool of decoder processes and its limits."""

    worker_slots: int = Field(
        default_factory=lambda: math.ceil(Machine().cores()),
        ge=1,
        description="Decoder processes side by side; unset: one for each core of the container's quota.",
    )
    max_attempts: int = Field(
        MAX_DELIVERIES,
        ge=1,
        description="Attempts at one file, lost workers included, of which the last fails it whatever goes "
        "wrong.",
    )
    decoder_crash_attempts: int = Field(
        2,
        ge=1,
        description="The attempt at which a crash of the decoder, or a deadline that it passed, fails a file "
        "as `decoder-crashed` or `decode-timeout`.",
    )
    circuit_crashes: int = Field(
        3,
        ge=1,
        description="Different files of one transfer syntax whose decoders crash or pass a deadline, with "
        "none that answers between, that pause this syntax.",
    )
    circuit_seconds: float = Field(
        60.0,
        gt=0,
        description="Seconds for which a transfer syntax is paused; then one file is tried. Files that wait "
        "use up no attempt.",
    )
    decode_timeout: float = Field(
        300.0,
        gt=0,
        description="Seconds of CPU time that decoding one file may take: a busy machine costs it nothing.",
    )
    decode_wall_timeout: float = Field(
        400.0,
        gt=0,
        le=420,
        description="Seconds after which a decoder that hangs is ended however little CPU time it took; a "
        "broker waits 1800 s for each file, and those behind it in its decoder wait as well.",
    )
    decode_memory_bytes: int = Field(
        1024 * MIB, ge=256 * MIB, description="Private memory that one decoder process may take, in bytes."
    )
    decoder_files: int = Field(
        5000,
        ge=1,
        description="Files after which another decoder process takes the place of one: what a file did to it "
        "ends with it.",
    )
    worker_nice: int = Field(
        5,
        ge=0,
        le=19,
        description="By how much a processor that is a process of its own goes behind the other services of "
        "a machine that is busy (nice, also of its session): uploads and answers are not kept waiting by "
        "files that are measured; 0: not at all. Of containers the weights decide (cpu_shares, requests). "
        "In one process, which has no such order, no more is begun than one file a slot while files arrive.",
    )
    decoder_nice: int = Field(
        10,
        ge=0,
        le=19,
        description="By how much decoder processes go behind whatever else runs in the same container or "
        "session (nice), their own worker above all; 0: not at all.",
    )
    memory_reserve_bytes: int = Field(
        256 * MIB,
        ge=0,
        description="Memory that no file is begun into, in bytes: it stays free below the container's limit, "
        "or of the machine's memory.",
    )
    largest_decode_memory_bytes: int | None = Field(
        None,
        ge=256 * MIB,
        description="DECODE_MEMORY_BYTES of the largest processors there are: a file that this one has no "
        "memory for is left to them, and one that needs more fails at once as `memory-limit`; unset: none is "
        "larger than this one.",
    )
    beat_seconds: float = Field(
        10.0,
        ge=1,
        le=60,
        description="Seconds between two beats, by which a worker tells what it does; three missing: lost.",
    )
    max_frame_bytes: int = Field(
        256 * MIB,
        ge=1,
        description="Largest single decoded frame, in bytes; larger ones fail as `memory-limit`.",
    )
    max_inflated_bytes: int = Field(
        4096 * MIB, ge=1, description="Largest size of a Deflated data set once inflated, in bytes."
    )
