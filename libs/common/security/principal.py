"""Who calls."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from libs.common.permissions import Permission


class Principal(BaseModel):
    """The caller, as the token says."""

    model_config = ConfigDict(frozen=True)

    user_id: int
    username: str
    staff: bool
    groups: tuple[int, ...]
    permissions: frozenset[Permission]
    collections: dict[str, Literal["view", "manage"]]
    """Those of groups; one's own needs no mention."""
    default_collection: str | None
    session_id: str | None
    """Of a person's sign-in; None for machines."""
    client_id: str | None
    """The service account, API key or application that the token was given to; None for people's sign-ins."""
    scope: frozenset[str] | None = None
    """What an application is limited to; None for everybody else."""
    access_version: int
    """How often the account's access had changed when the token was issued."""
    must_change_password: bool
    """Nothing else is open to whom this holds for."""
    signing_key: str
    """The key (`kid`) that the token is signed with."""
    issued_at: AwareDatetime
    expires_at: AwareDatetime
