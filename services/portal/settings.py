"""Environment of the portal: nothing beyond what every service reads."""

from __future__ import annotations

from libs.common.settings.common import CommonSettings


class PortalSettings(CommonSettings):
    """HOST, PORT, PUBLIC_URL and the logging settings matter; the portal has no database and no bus."""
