"""Every operation of the auth service, and where they lie."""

from __future__ import annotations

from services.auth.audit import routes as audit
from services.auth.devices import routes as devices
from services.auth.groups import routes as groups
from services.auth.identity import routes as identity
from services.auth.machines import routes as machines
from services.auth.oidc import routes as oidc
from services.auth.password_reset import routes as password_reset
from services.auth.provider import registration
from services.auth.provider import routes as provider
from services.auth.second_factor import routes as second_factor
from services.auth.sessions import routes as sessions
from services.auth.users import routes as users

PREFIX = sessions.PREFIX
OPERATIONS = (
    *sessions.OPERATIONS,
    *second_factor.OPERATIONS,
    *password_reset.OPERATIONS,
    *identity.OPERATIONS,
    *users.OPERATIONS,
    *devices.OPERATIONS,
    *groups.OPERATIONS,
    *machines.OPERATIONS,
    *audit.OPERATIONS,
    *oidc.OPERATIONS,
    *provider.OPERATIONS,
    *registration.OPERATIONS,
)
