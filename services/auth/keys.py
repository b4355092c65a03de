"""Typed keys of the auth service's application state."""

from aiohttp import web

from libs.common.database.postgres import Database
from services.auth.audit.auditing import Auditing
from services.auth.devices.devices import Devices
from services.auth.groups.groups import Groups
from services.auth.identity.own_password import OwnPassword
from services.auth.machines.api_keys import ApiKeys
from services.auth.machines.clients import Clients
from services.auth.metrics import AuthMetrics
from services.auth.oidc.linking import Identities
from services.auth.oidc.signing_in import ProviderSignIn
from services.auth.password_reset.resets import Resets
from services.auth.second_factor.factors import Factors
from services.auth.second_factor.second_step import SecondStep
from services.auth.sessions.login import Sessions
from services.auth.sessions.revocation_list import RevocationList
from services.auth.sessions.signing_key import SigningKey
from services.auth.sessions.throttle import Throttle
from services.auth.settings import AuthSettings
from services.auth.users.memberships import Memberships
from services.auth.users.users import Users

SETTINGS = web.AppKey("auth_settings", AuthSettings)
AUDITING = web.AppKey("auth_auditing", Auditing)
DATABASE = web.AppKey("auth_database", Database)
SESSIONS = web.AppKey("auth_sessions", Sessions)
SIGNING_KEY = web.AppKey("auth_signing_key", SigningKey)
MEMBERSHIPS = web.AppKey("auth_memberships", Memberships)
USERS = web.AppKey("auth_users", Users)
API_KEYS = web.AppKey("auth_api_keys", ApiKeys)
CLIENTS = web.AppKey("auth_clients", Clients)
GROUPS = web.AppKey("auth_groups", Groups)
DEVICES = web.AppKey("auth_devices", Devices)
THROTTLE = web.AppKey("auth_throttle", Throttle)
OWN_PASSWORD = web.AppKey("auth_own_password", OwnPassword)
RESETS = web.AppKey("auth_resets", Resets)
FACTORS = web.AppKey("auth_factors", Factors)
SECOND_STEP = web.AppKey("auth_second_step", SecondStep)
REVOCATION_LIST = web.AppKey("auth_revocation_list", RevocationList)
PROVIDER_SIGN_IN = web.AppKey("auth_provider_sign_in", ProviderSignIn)
IDENTITIES = web.AppKey("auth_identities", Identities)
AUTH_METRICS = web.AppKey("auth_metrics", AuthMetrics)
