"""Making accounts."""

from __future__ import annotations

from libs.common.database.postgres import Database
from libs.common.errors import Conflict, InvalidRequest
from libs.common.ids import UserId
from services.auth.identity import store
from services.auth.identity.models import normal_username
from services.auth.identity.password_policy import require_good
from services.auth.identity.passwords import Passwords


async def create_user(
    database: Database,
    passwords: Passwords,
    name: str,
    password: str,
    *,
    staff: bool,
    superuser: bool,
    min_length: int,
) -> UserId:
    """Make an account and tell its id. Raises InvalidRequest, Conflict (the name is taken) or Unavailable."""
    try:
        username = normal_username(name)
    except ValueError as error:
        raise InvalidRequest(f"{name!r} cannot be a user name: {error}.") from error
    require_good(password, username, min_length=min_length)
    encoded = await passwords.hash(password)
    async with database.transaction() as connection:
        found = await store.insert_user(connection, username, encoded, staff=staff, superuser=superuser)
    if found is None:
        raise Conflict(f"There is a user named {username} already (upper and lower case do not matter).")
    return found
