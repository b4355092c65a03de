"""Where settings are read from; the other modules of this room hold the fields, one concern each.

A service's `settings.py` composes what it uses, and knows nothing of the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

HTTP_URL = r"^https?://[^/\s]+"


class Settings(BaseSettings):
    """Read from the environment by upper-case field name, or from files in SECRETS_DIR.

    An empty value counts as unset.
    """

    model_config = SettingsConfigDict(env_prefix="", env_ignore_empty=True, extra="ignore", frozen=True)

    secrets_dir: Path | None = Field(
        None,
        description="Folder of files that give settings, e.g. `database_url`: the name is the setting's in "
        "lower case; the environment wins.",
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        # The environment's are dropped already; files are empty, too.
        return {name: value for name, value in values.items() if value != ""}
