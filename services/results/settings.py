"""Environment of the results service."""

from __future__ import annotations

from pydantic import Field

from libs.common.settings.broker import BrokerSettings
from libs.common.settings.database import DatabaseSettings
from libs.common.settings.storage import StorageSettings
from libs.common.settings.tokens import TokenSettings


class ResultsSettings(BrokerSettings, DatabaseSettings, StorageSettings, TokenSettings):
    """How far back changes can be followed, and the pace of live events."""

    change_feed_retention_hours: float = Field(
        168.0, gt=0, description="Hours that /api/changes and /api/events can be resumed from; older rows go."
    )
    events_heartbeat_seconds: float = Field(
        15.0, gt=0, description="Seconds between heartbeats on an idle /api/events stream."
    )
    events_queue: int = Field(
        1000, ge=1, description="Changes that wait for one slow /api/events client before it is cut."
    )
