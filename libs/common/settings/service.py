"""What every service reads."""

from __future__ import annotations

from libs.common.settings.http import HttpSettings
from libs.common.settings.telemetry import TelemetrySettings


class ServiceSettings(TelemetrySettings, HttpSettings):
    """It listens, and tells of itself."""
