"""What the claims of a provider say of somebody: a name, groups, and whether they come in; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from services.auth.identity.models import MAX_USERNAME_LENGTH, Email, Name
from services.auth.oidc.providers import Provider

NAMELESS = "user"
_EMAIL: TypeAdapter[str] = TypeAdapter(Email)
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class Profile(BaseModel):
    """What a new account begins with; people change it themselves afterwards."""

    first_name: str
    last_name: str
    email: str


def profile_of(claims: Mapping[str, Any]) -> Profile:
    """Names and e-mail, as far as they fit; an e-mail that the provider says is not verified is left out."""
    verified = claims.get("email_verified", True) is not False
    return Profile(
        first_name=_fitting(_NAME, claims.get("given_name")),
        last_name=_fitting(_NAME, claims.get("family_name")),
        email=_fitting(_EMAIL, claims.get("email")) if verified else "",
    )


def usernames(claims: Mapping[str, Any], claim: str) -> Iterator[str]:
    """Names for a new account, endless, the first that nobody has is taken: `ana`, `ana-2`, `ana-3` …"""
    said = claims.get(claim) or claims.get("email") or ""
    text = unicodedata.normalize("NFKC", said if isinstance(said, str) else "")
    if claim != "email" and claims.get(claim) is None:
        text = text.partition("@")[0]
    base = re.sub(r"[^\w.@+-]+", ".", text).strip(".")[: MAX_USERNAME_LENGTH - 10] or NAMELESS
    yield base
    for number in count(2):
        yield f"{base}-{number}"


def groups_of(claims: Mapping[str, Any], provider: Provider) -> frozenset[str]:
    """Our groups that the claim names theirs of. A claim that is missing names none."""
    said = claims.get(provider.groups_claim)
    theirs = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    return frozenset(
        provider.groups[one] for one in theirs if isinstance(one, str) and one in provider.groups
    )


def is_admitted(claims: Mapping[str, Any], required: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether each required claim has, or holds, one of its values."""
    return all(_values(claims.get(name)) & set(allowed) for name, allowed in required.items())


def _values(said: object) -> set[str]:
    if isinstance(said, bool):
        return {"true" if said else "false"}
    if isinstance(said, list):
        return {one for one in said if isinstance(one, str)}
    return {said} if isinstance(said, str) else set()


def _fitting(form: TypeAdapter[str], said: object) -> str:
    try:
        return form.validate_python(said, strict=True)
    except ValidationError:
        return ""
