"""What the scopes of an application's token open."""

from __future__ import annotations

import pytest

from libs.common.security.scopes import opens

STUDIES, USERINFO = "/dicom-web/studies", "/api/auth/oauth/userinfo"


@pytest.mark.parametrize(
    ("scopes", "path"),
    [
        (["dicomweb"], STUDIES),
        (["dicomweb.store"], STUDIES),
        (["dicomweb"], "/dicom-web"),
        (["openid", "dicomweb"], USERINFO),
    ],
)
def test_what_was_given_opens(scopes: list[str], path: str) -> None:
    assert opens(scopes, path)


@pytest.mark.parametrize(
    ("scopes", "path"),
    [
        ([], STUDIES),
        (["openid", "profile", "email"], STUDIES),
        (["openid", "profile", "email"], "/dicom-web"),
        (["dicomweb"], USERINFO),
        (["openid", "dicomweb", "dicomweb.store"], "/api/auth/me"),
        (["openid", "dicomweb", "dicomweb.store"], "/dicom-webs"),
        (["openid", "dicomweb", "dicomweb.store"], f"{USERINFO}/"),
    ],
)
def test_nothing_else_does(scopes: list[str], path: str) -> None:
    assert not opens(scopes, path)
