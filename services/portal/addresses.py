"""Which addresses are pages: their script shows the view, or that there is none. Others are files."""

from __future__ import annotations

import re

from libs.common.http.prefixes import LINK_PAGES, NO_PAGES

WITH_DOTS = re.compile(r"/studies/[0-9][0-9.]{0,63}(?:/view)?/?")
"""Pages whose addresses hold dots: a study by its UID as this system accepts them, and its viewer."""
FILE = re.compile(r"/\.|\.[A-Za-z0-9]+$")
"""An extension, or a hidden file or folder."""

STORIES_PAGE = "/__ui"
"""Of all components, for those who make them."""
RESET_PAGE = "/reset-password"
"""Of who has forgotten a password; the token of the link comes after a `#`, which is sent to nobody."""


def is_page(path: str, base: str = "") -> bool:
    """Whether a page is at `path`; `base` is the path that PUBLIC_URL may have, e.g. `/dicom`."""
    if base and path.startswith(f"{base}/"):
        path = path.removeprefix(base)
    if path.split("/")[1] in NO_PAGES:
        return False
    return WITH_DOTS.fullmatch(path) is not None or FILE.search(path) is None


def opens_something(path: str) -> bool:
    """Whether the address of the page at `path` is a key, of which nothing shall be kept on the way."""
    return LINK_PAGES in path or path.rstrip("/").endswith(RESET_PAGE)
