"""The providers' file, and what claims make of somebody."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from libs.common.errors import ConfigurationError
from services.auth.identity.models import normal_username
from services.auth.oidc.person import groups_of, is_admitted, profile_of, usernames
from services.auth.oidc.providers import Provider, is_protected, load_providers

GOOD: dict[str, Any] = {
    "name": "hospital",
    "title": "Hospital",
    "issuer": "https://id.example/realms/hospital",
    "client_id": "dicom",
}


def written(tmp_path: Path, *providers: dict[str, Any]) -> Path:
    path = tmp_path / "providers.json"
    path.write_text(json.dumps({"providers": providers}))
    return path


def test_without_a_file_there_are_none() -> None:
    assert load_providers(None) == ()


def test_a_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    found = load_providers(written(tmp_path, {**GOOD, "client_secret_file": str(secret)}))
    assert [(one.name, one.secret, one.create_accounts) for one in found] == [("hospital", "s3cret", False)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Hospital"},
        {"name": "a/b"},
        {"name": ""},
        {"name": ".."},
        {"issuer": "http://id.example"},
        {"issuer": "https://id.example?x"},
        {"issuer": "https://user:secret@id.example"},
        {"issuer": "ftp://id.example"},
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"algorithms": []},
        {"scopes": ["profile"]},
        {"clock_leeway_seconds": 3600},
        {"client_secret": "in the file itself"},
        {"client_secret_file": "/does/not/exist"},
        {"client_secret_file": "/dev/null"},
    ],
    ids=str,
)
def test_what_is_no_good_stops_the_start(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_providers(written(tmp_path, {**GOOD, **wrong}))
    assert "in the file itself" not in caught.value.detail


def test_two_providers_are_two(tmp_path: Path) -> None:
    for other in ({"issuer": "https://other.example"}, {"name": "other"}):
        with pytest.raises(ConfigurationError):
            load_providers(written(tmp_path, GOOD, {**GOOD, **other}))
    with pytest.raises(ConfigurationError):
        load_providers(tmp_path / "nowhere.json")


def test_where_tls_is_required_it_is(tmp_path: Path) -> None:
    here = written(tmp_path, {**GOOD, "issuer": "http://127.0.0.1:9000"})
    assert len(load_providers(here)) == 1
    with pytest.raises(ConfigurationError, match="REQUIRE_TLS"):
        load_providers(here, require_tls=True)
    assert len(load_providers(written(tmp_path, GOOD), require_tls=True)) == 1


def test_plain_http_stays_on_this_machine() -> None:
    for url in ("https://x.example", "http://127.0.0.1:80/x", "http://[::1]/x", "http://localhost:9/"):
        assert is_protected(url)
    for url in (
        "http://x.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil",
        "https://",
        "x",
    ):
        assert not is_protected(url)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"preferred_username": "ana"}, "ana"),
        ({"preferred_username": "ana@hospital.example"}, "ana@hospital.example"),
        ({"preferred_username": "Ana María"}, "Ana.María"),
        ({"preferred_username": "ＡＮＡ"}, "ANA"),
        ({"preferred_username": "<script>\x00"}, "script"),
        ({"preferred_username": "x" * 400}, "x" * 140),
        ({"email": "ana@hospital.example"}, "ana"),
        ({"preferred_username": 7}, "user"),
        ({"preferred_username": "///"}, "user"),
        ({}, "user"),
    ],
)
def test_a_name_is_made_of_what_is_said(claims: dict[str, Any], expected: str) -> None:
    first, second, third = islice(usernames(claims, "preferred_username"), 3)
    assert (first, second, third) == (expected, f"{expected}-2", f"{expected}-3")
    for name in (first, second, third):
        assert normal_username(name) == name


def test_a_profile_takes_what_fits() -> None:
    found = profile_of({"given_name": "Ana", "family_name": "\x00", "email": "ana@x.example"})
    assert (found.first_name, found.last_name, found.email) == ("Ana", "", "ana@x.example")
    assert profile_of({"email": "ana@x.example", "email_verified": False}).email == ""
    for odd in ("no address", 7, None, ["a@b"], "a@" + "b" * 300):
        assert profile_of({"email": odd, "given_name": odd}).email == ""


def test_groups_are_those_that_are_mapped() -> None:
    provider = Provider(**GOOD, groups={"/rad": "radiologist", "ops": "operator"})
    for said, expected in (
        (["/rad", "other", 7, None], {"radiologist"}),
        ("ops", {"operator"}),
        (["ops", "/rad"], {"operator", "radiologist"}),
        (["radiologist", "administrator"], set()),
        ({"ops": True}, set()),
        (None, set()),
    ):
        assert groups_of({"groups": said}, provider) == expected
    assert groups_of({}, provider) == set()


def test_required_claims_let_in() -> None:
    required = {"hd": ("hospital.example",), "email_verified": ("true",)}
    assert is_admitted({"hd": "hospital.example", "email_verified": True}, required)
    assert is_admitted({"hd": ["x", "hospital.example"], "email_verified": "true"}, required)
    assert is_admitted({}, {})
    for claims in (
        {"hd": "hospital.example"},
        {"hd": "hospital.example", "email_verified": False},
        {"hd": "hospital.example.evil", "email_verified": True},
        {"hd": {"hospital.example": 1}, "email_verified": True},
        {},
    ):
        assert not is_admitted(claims, required)
