"""After signing in a browser stays here, whatever a stranger has put into the link."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.oidc.next_page import MOST_CHARACTERS, local_page

EVIL = (
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "%2f%2fevil.example",
    "/%2fevil.example",
    "/%2f%2fevil.example",
    "/%5cevil.example",
    "/%255cevil.example",
    "/%25252fevil.example",
    "https://evil.example",
    "https:evil.example",
    "HTTPS://evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "@evil.example",
    "/x//evil.example",
    "/./\t/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nLocation: https://evil.example",
    "/%0d%0aLocation:%20https://evil.example",
    "/x\r\nSet-Cookie: a=b",
    "/x?\r\nSet-Cookie: a=b",
    "/a/../../evil",
    "/%2e%2e/evil",
    "/.//evil.example",
    "/;//evil.example",
    " /results",
    "/res ults",
    "/x?y=\\evil",
    "",
    "?x",
    "#x",
    "/api/auth/oidc/one/sign-in",
    "/%61pi/auth/oidc/one/sign-in",
    "/dicom-web/studies",
    "/metrics",
    "/é",
    "/\x00",
    "/" + "x" * MOST_CHARACTERS,
)


@pytest.mark.parametrize("asked", EVIL)
def test_nobody_is_led_elsewhere(asked: str) -> None:
    assert local_page(asked) == "/"


@pytest.mark.parametrize(
    "asked", ["/", "/results", "/results/7?state=failed&q=%2F%2Fx#top", "/s%20x", "/profile?next=//x"]
)
def test_pages_of_this_portal_are_kept(asked: str) -> None:
    assert local_page(asked) == asked


def test_without_a_page_it_is_the_first() -> None:
    assert local_page(None) == "/"


@given(st.text(alphabet="/\\%25fFcC.@:?#ehtps\t\r\n x", max_size=24))
def test_whatever_is_asked_leads_to_the_same_origin(asked: str) -> None:
    page = local_page(asked)
    for base in ("https://dicom.example/", "https://dicom.example/api/auth/oidc/one/callback"):
        assert urlsplit(urljoin(base, page.replace("\\", "/")))[:2] == ("https", "dicom.example")
    assert page.startswith("/")
    assert not page.startswith(("//", "/\\"))
    assert page.isprintable()
