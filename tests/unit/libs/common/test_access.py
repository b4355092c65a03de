"""Who may see and do what: the rule itself, apart from the routes that ask it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.common.access import Viewer
from libs.common.errors import PermissionDenied
from libs.common.permissions import ORDINARY
from libs.common.security.principal import Principal


def viewer(**changed: Any) -> Viewer:
    caller: dict[str, Any] = {
        "user_id": 7,
        "username": "ana",
        "staff": False,
        "groups": (3, 4),
        "permissions": ORDINARY,
        "collections": {"group:3": "view", "group:4": "manage"},
        "default_collection": None,
        "session_id": None,
        "client_id": None,
        "access_version": 0,
        "must_change_password": False,
        "signing_key": "a",
        "issued_at": datetime.now(UTC),
        "expires_at": datetime.now(UTC),
    }
    return Viewer.of(Principal(**{**caller, **changed}))


def test_a_person_sees_their_own_collection_and_those_of_their_groups() -> None:
    ana = viewer()
    assert ana.visible == ["group:3", "group:4", "user:7"]
    found = {name: ana.sees(name) for name in ("user:7", "group:3", "group:4", "user:8", "group:5", "")}
    assert [name for name, seen in found.items() if seen] == ["user:7", "group:3", "group:4"]


def test_to_see_is_not_to_manage() -> None:
    ana = viewer()
    managed = [name for name in ("user:7", "group:3", "group:4", "user:8") if ana.manages(name)]
    assert managed == ["user:7", "group:4"]


def test_no_token_takes_away_what_is_ones_own() -> None:
    assert viewer(collections={"user:7": "view"}).manages("user:7")


def test_staff_alone_see_nothing_more() -> None:
    staff = viewer(staff=True, collections={})
    assert staff.visible == ["user:7"]
    assert not staff.sees("user:8")


def test_a_permission_of_the_token_opens_what_it_names_and_no_more() -> None:
    assert viewer().permissions == ORDINARY
    reader = viewer(permissions=ORDINARY | {"view_all_dicomresult"})
    assert reader.visible is None
    assert reader.sees("group:9")
    assert not reader.manages("group:9")


def test_what_is_missing_is_named() -> None:
    viewer().require("view_dicomresult")
    with pytest.raises(PermissionDenied, match="view_all_dicomresult") as refused:
        viewer().require("view_all_dicomresult")
    assert refused.value.status == 403


def test_who_manages_everything_manages_what_they_see() -> None:
    for more, managed in (
        ({"view_all_dicomresult"}, []),
        ({"manage_all_dicomresult"}, ["group:3"]),
        ({"view_all_dicomresult", "manage_all_dicomresult"}, ["group:3", "user:8", "group:9"]),
    ):
        chief = viewer(permissions=ORDINARY | more)
        assert [name for name in ("group:3", "user:8", "group:9") if chief.may_manage(name)] == managed
    assert viewer().may_manage("group:4")
