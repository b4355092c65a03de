"""Environment of the portal."""

from __future__ import annotations

from pydantic import Field, field_validator

from libs.common.settings.service import ServiceSettings
from services.portal.viewers import check_viewers


class PortalSettings(ServiceSettings):
    """It has no database, no bus and no objects."""

    stories: bool = Field(False, description="A page of all components at `/__ui`, for development and tests")
    viewers: dict[str, str] = Field(
        default_factory=dict,
        description="JSON object of names and addresses that *Open with…* of a study offers, e.g. "
        '`{"OHIF": "https://viewer.example.org/viewer?StudyInstanceUIDs={studyUid}"}`; `{collection}`, '
        "`{publicUrl}` and `{dicomwebUrl}` may stand there as well. Anybody can read them.",
    )

    @field_validator("viewers")
    @classmethod
    def _viewers(cls, value: dict[str, str]) -> dict[str, str]:
        check_viewers(value)
        return value
