"""The page and its assets."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from libs.common.errors import NotFound
from libs.common.http.authenticate import BASE_URL, declare
from libs.common.http.prefixes import NO_PAGES
from services.portal.addresses import STORIES_PAGE, is_page, opens_something
from services.portal.assets import Asset
from services.portal.content_security_policy import SECURITY_HEADERS
from services.portal.keys import ASSETS, STORIES

# Of the other services: an unknown path there is a 404 problem with any method, never the page.
NO_PAGE = rf"(?:{'|'.join(sorted(NO_PAGES))})(?:/|$)"
REVALIDATE = "no-cache"
NOWHERE = "no-store"
"""Pages whose address opens something."""
FOR_EVER = "public, max-age=31536000, immutable"


def _send(request: web.Request, asset: Asset, cache_control: str) -> web.Response:
    headers = {"ETag": f'"{asset.etag}"', "Cache-Control": cache_control, "Vary": "Accept-Encoding"}
    known = request.if_none_match
    if known is not None and any(tag.value in (asset.etag, "*") for tag in known):
        return web.Response(status=304, headers=headers)
    text = asset.compressed is not None
    headers["Content-Type"] = f"{asset.content_type}; charset=utf-8" if text else asset.content_type
    if text and "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=asset.compressed, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=asset.body, headers=headers)


async def page(request: web.Request) -> web.Response:
    """The one HTML page; its script reads the address and shows the view."""
    hidden = request.path.endswith(STORIES_PAGE) and not request.app[STORIES]
    if hidden or not is_page(request.path, urlsplit(request.app[BASE_URL]).path):
        raise NotFound("No such file in the portal.")
    if not opens_something(request.path):
        return _send(request, request.app[ASSETS].index, REVALIDATE)
    response = _send(request, request.app[ASSETS].index, NOWHERE)
    # Of a link that got into the open: what it shows shall not be found by searching.
    response.headers["X-Robots-Tag"] = "noindex"
    return response


async def favicon(request: web.Request) -> web.Response:
    """The icon, at the address that browsers and bookmarks keep."""
    return _send(request, request.app[ASSETS].favicon, REVALIDATE)


async def static(request: web.Request) -> web.Response:
    """One asset. An address with another release's version answers too, but is not kept."""
    assets = request.app[ASSETS]
    asset = assets.files.get(request.match_info["path"])
    if asset is None:
        raise NotFound("No such file in the portal.")
    current = request.match_info["version"] == assets.version
    return _send(request, asset, FOR_EVER if current else REVALIDATE)


async def add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Onto every answer of the portal's own routes, errors included; other services set their own."""
    if request.match_info.handler in (page, favicon, static):
        response.headers.update(SECURITY_HEADERS)


def add_routes(app: web.Application) -> None:
    """Register the portal's routes: public, and the page behind everything that nobody else claims."""
    # A proxy in front may pass the prefix of PUBLIC_URL on, or take it away.
    for base in sorted({"", urlsplit(app[BASE_URL]).path}):
        app.router.add_get(f"{base}/static/{{version}}/{{path:.+}}", static)
        app.router.add_get(f"{base}/favicon.svg", favicon)
    app.router.add_get(f"/{{path:(?!{NO_PAGE}|static/).*}}", page)
    declare(app, "anyone", page, favicon, static)
    app.on_response_prepare.append(add_security_headers)
