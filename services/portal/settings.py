"""Environment of the portal."""

from __future__ import annotations

from pydantic import Field

from libs.common.settings.service import ServiceSettings


class PortalSettings(ServiceSettings):
    """It has no database, no bus and no objects."""

    stories: bool = Field(False, description="A page of all components at `/__ui`, for development and tests")
