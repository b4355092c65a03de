"""Typed keys of the auth service's application state."""

from aiohttp import web

from services.auth.sessions import Sessions
from services.auth.settings import AuthSettings
from services.auth.signing_key import SigningKey

SETTINGS = web.AppKey("auth_settings", AuthSettings)
SESSIONS = web.AppKey("auth_sessions", Sessions)
SIGNING_KEY = web.AppKey("auth_signing_key", SigningKey)
