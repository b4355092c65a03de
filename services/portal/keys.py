"""Typed keys of the portal's application state."""

from __future__ import annotations

from aiohttp import web

from services.portal.assets import Assets

ASSETS = web.AppKey("portal_assets", Assets)
STORIES = web.AppKey("portal_stories", bool)
"""Whether there is a page of all components."""
