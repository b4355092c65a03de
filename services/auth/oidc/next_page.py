"""Where a browser goes after it has been to a provider: a page of this portal, and nowhere else."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from libs.common.http.prefixes import NO_PAGES

FIRST_PAGE = "/"
MOST_CHARACTERS = 2000
"""As many as the cookie holds that takes it along; what an application asks for with is a page too."""


def local_page(asked: str | None) -> str:
    """The path, query and fragment asked for if they are of a page here, else the first page.

    Browsers read `//host` and `/\\host` as another host, drop tabs and line breaks, and treat `\\` as `/`;
    proxies decode escapes. So whatever any of them could see a host in is refused, at every depth of escapes.
    """
    if asked is None or len(asked) > MOST_CHARACTERS or not asked.startswith("/"):
        return FIRST_PAGE
    if not asked.isascii() or any(character <= " " or character == "\x7f" for character in asked):
        return FIRST_PAGE
    path = seen = asked.partition("?")[0].partition("#")[0]
    while True:
        if "//" in seen or "\\" in seen or not seen.isprintable():
            return FIRST_PAGE
        if any(segment in (".", "..") for segment in seen.split("/")):
            return FIRST_PAGE
        if seen.split("/")[1] in NO_PAGES:
            return FIRST_PAGE
        decoded = unquote(seen)
        if decoded == seen:
            break
        seen = decoded
    if "\\" in asked:
        return FIRST_PAGE
    parts = urlsplit(asked)
    if parts.scheme or parts.netloc or parts.path != path:
        return FIRST_PAGE
    return asked
