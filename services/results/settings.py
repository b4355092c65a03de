"""Environment of the results service."""

from __future__ import annotations

from pydantic import Field

from libs.common.settings.base import HTTP_URL
from libs.common.settings.broker import BrokerSettings
from libs.common.settings.database import DatabaseSettings, PostgresUrl
from libs.common.settings.outbox import OutboxSettings
from libs.common.settings.storage import StorageSettings
from libs.common.settings.tokens import TokenSettings
from libs.common.settings.transfers import TransferSettings

MIB = 1 << 20


class ResultsSettings(
    BrokerSettings, DatabaseSettings, OutboxSettings, StorageSettings, TokenSettings, TransferSettings
):
    """How far back changes can be followed, the pace of live events, and how much may be shared."""

    database_read_url: PostgresUrl | None = Field(
        None,
        description="postgresql:// URL of one or several streaming standbys of DATABASE_URL, for the same "
        "role: lists, searches and archives are read there while they have all that the primary has; unset: "
        "all is read at DATABASE_URL.",
    )
    database_read_wait: float = Field(
        0.1,
        ge=0,
        le=10,
        description="Seconds that a read waits for the standby to have what the primary had when it was "
        "asked for; then the primary answers.",
    )
    change_feed_retention_hours: float = Field(
        168.0, gt=0, description="Hours that /api/changes and /api/events can be resumed from; older rows go."
    )
    events_heartbeat_seconds: float = Field(
        15.0, gt=0, description="Seconds between heartbeats on an idle /api/events stream."
    )
    events_queue: int = Field(
        1000, ge=1, description="Changes that wait for one slow /api/events client before it is cut."
    )
    streams_per_owner: int = Field(
        32,
        ge=1,
        description="/api/events streams that one account, or those who opened one link, may have open at "
        "once on a replica; more get 429.",
    )
    downloads_per_owner: int = Field(
        32,
        ge=1,
        description="Original files and archives that one account, or those who opened one link, may be "
        "sent at once by a replica; more get 429.",
    )
    shares_per_item: int = Field(
        100, ge=1, description="Times that one file, study or series may be shared at once."
    )
    shares_per_maker: int = Field(5000, ge=1, description="Things that one account may share at once.")
    shares_per_maker_and_grantee: int = Field(
        500,
        ge=1,
        description="Things that one account may share with one user or group at once: far below "
        "SHARES_PER_GRANTEE, so that nobody alone uses up the room of others.",
    )
    shares_per_grantee: int = Field(
        10_000,
        ge=1,
        description="Things that may be shared with one user or group at once: their lists look at each.",
    )
    dead_letters_at_once: int = Field(
        1000,
        ge=1,
        description="Dead letters that one request to /api/processing/dead looks at; `python -m services "
        "dead` looks at all.",
    )
    link_max_days: float = Field(
        30.0, gt=0, le=3660, description="Days that a link for people without an account may last at most."
    )
    reprocess_at_once: int = Field(
        64, ge=1, description="Files that all jobs together have measured again at the same time."
    )
    grafana_url: str | None = Field(
        None, pattern=HTTP_URL, description="Where Grafana is; the administration panel leads there."
    )
    qido_matches: int = Field(
        5000, ge=1, description="Matches that one QIDO-RS answer may hold; what is left out, a Warning tells."
    )
    qido_offset: int = Field(
        50_000, ge=0, description="How far into the matches of a QIDO-RS search an offset may lead."
    )
    jobs_running: int = Field(20, ge=1, description="Jobs that may run at once.")
    pixels_slots: int = Field(
        2,
        ge=1,
        le=64,
        description="Isolated processes that decode, transcode and render for readers; none is started "
        "before somebody asks, and they end when nobody has asked for five minutes.",
    )
    pixels_timeout: float = Field(
        60.0,
        gt=0,
        description="Seconds of CPU time that one such call may take: a frame, or some of them.",
    )
    pixels_memory_bytes: int = Field(
        1024 * MIB, ge=256 * MIB, description="Private memory that one such process may take, in bytes."
    )
    frames_per_owner: int = Field(
        256,
        ge=1,
        description="Requests for frames that one account may have under way at once on a replica; more get "
        "429. Viewers ask for a hundred at once.",
    )
    pixels_waiting_per_owner: int = Field(
        256,
        ge=1,
        description="Calls of one account that may wait for such a process; more get 429. Owners take turns.",
    )
    stack_max_frames: int = Field(
        20_000,
        ge=1,
        description="Frames of a series that the viewer is told of at once; of more, 422 stack-too-large.",
    )
    pixels_waiting: int = Field(
        1024, ge=1, description="Calls of all accounts that may wait for such a process; more get 503."
    )
    pixels_kept_bytes: int = Field(
        64 * MIB,
        ge=0,
        description="Memory for pictures and decoded frames that were made lately, sealed with a key that no "
        "disk ever sees; nothing is kept for longer than five minutes after the last one was made. 0: none.",
    )
