"""Environment of the portal: nothing beyond what every service reads."""

from __future__ import annotations

from libs.common.settings.service import ServiceSettings


class PortalSettings(ServiceSettings):
    """It has no database, no bus and no objects."""
