"""The portal's wiring: static files and one page, all of them public."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from libs.common.http.application import create_app
from libs.common.telemetry.tracing import Telemetry
from services.portal import routes
from services.portal.assets import load_assets
from services.portal.guide import guide_files
from services.portal.keys import ASSETS, STORIES
from services.portal.settings import PortalSettings
from services.portal.viewers import filled_in

STATIC = Path(__file__).parent / "static"


def install(app: web.Application, settings: PortalSettings) -> None:
    """Put the portal onto `app`; every path that no service claims becomes the page."""
    viewers = filled_in(settings.viewers, settings.base_url)
    app[ASSETS] = load_assets(STATIC, urlsplit(settings.base_url).path, guide_files(), viewers)
    app[STORIES] = settings.stories
    routes.add_routes(app)


def create(settings: PortalSettings) -> web.Application:
    """The portal as a process of its own, behind a proxy that sends `/api` to the other services."""
    app = create_app(settings, Telemetry("portal", settings))
    install(app, settings)
    return app
