"""What a service says of itself to those who run it: settings in force, schema, storage, certificates."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiohttp import web
from pydantic import BaseModel, Field, SecretStr

from libs.common.database.migrations import Migrations, applied_migrations, read_migrations
from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from libs.common.http.json import json_response
from libs.common.http.openapi import Operation
from libs.common.security.certificates import first_end
from libs.common.settings.base import Settings
from libs.common.storage.contract import Storage
from libs.common.version import VERSION

CERTIFICATES = ("tls_cert_file", "tls_ca_file")
HIDDEN = "…"

SettingSource = Literal["default", "environment", "file", "program"]


class SettingInForce(BaseModel):
    """One setting, as text like in the environment."""

    name: str
    value: str | None = Field(description="Null where it is unset, or a secret")
    secret: bool = Field(description="Its value is told to nobody")
    is_set: bool
    source: SettingSource = Field(
        description="`file`: in SECRETS_DIR; `program`: what `python -m services` gives its parts"
    )
    description: str


class SchemaState(BaseModel):
    """How far the service's schema has come."""

    name: str
    version: str | None = Field(description="The latest migration that was applied")
    applied_at: datetime | None
    pending: list[str] = Field(description="Those of this release that wait")


class StorageRoom(BaseModel):
    """Room where objects lie; null: it does not say."""

    kind: Literal["folder", "mongodb"]
    free_bytes: int | None
    total_bytes: int | None


class CertificateEnd(BaseModel):
    """Until when a file of certificates is good; null: it cannot be read."""

    setting: str
    not_after: datetime | None


class SystemPart(BaseModel):
    """One service's part of the system, as the replica that answered sees it."""

    service: str
    version: str
    started_at: datetime
    settings: list[SettingInForce]
    schema_state: SchemaState | None = Field(description="Null while the database does not answer")
    storage: StorageRoom | None = Field(description="Null of a service that stores nothing")
    certificates: list[CertificateEnd]


@dataclass(frozen=True)
class SystemSource:
    """What a service's part is made of."""

    service: str
    settings: Settings
    database: Database
    migrations: Migrations
    storage: Storage | None = None

    def operation(self, path: str) -> Operation:
        """GET `path`, below the service's prefix."""
        started_at = datetime.now(UTC)

        async def get_system(_: web.Request) -> web.Response:
            """What this service is made of, and which settings are in force; no secrets."""
            return json_response(await self._part(started_at))

        get_system.__name__ = f"get_{self.service}_system"
        return Operation(
            "GET",
            path,
            get_system,
            "Settings in force, schema, storage and certificates",
            tag="administration",
            response=SystemPart,
            permission="view_setting",
        )

    async def _part(self, started_at: datetime) -> SystemPart:
        files = [(name, getattr(self.settings, name, None)) for name in CERTIFICATES]
        return SystemPart(
            service=self.service,
            version=VERSION,
            started_at=started_at,
            settings=settings_in_force(self.settings, os.environ.items()),
            schema_state=await _schema_state(self.database, self.migrations),
            storage=None if self.storage is None else await _room(self.storage, self.settings),
            certificates=[
                CertificateEnd(setting=name.upper(), not_after=await asyncio.to_thread(_end, path))
                for name, path in files
                if path is not None
            ],
        )


def settings_in_force(settings: Settings, environment: Iterable[tuple[str, str]]) -> list[SettingInForce]:
    """Every setting of a service, by name; secrets masked, where each comes from."""
    named = {name.lower() for name, value in environment if value}
    return [
        SettingInForce(
            name=name.upper(),
            value=_shown(value),
            secret=_is_secret(field.annotation),
            is_set=value is not None,
            source=_source(settings, name, named),
            description=field.description or "",
        )
        for name, field in sorted(type(settings).model_fields.items())
        for value in (getattr(settings, name),)
    ]


def _source(settings: Settings, name: str, environment: set[str]) -> SettingSource:
    if name in environment:
        return "environment"
    if settings.secrets_dir is not None and (settings.secrets_dir / name).is_file():
        return "file"
    return "program" if name in settings.model_fields_set else "default"


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_is_secret, getattr(annotation, "__args__", ())))


def _shown(value: Any) -> str | None:
    if value is None or isinstance(value, SecretStr):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list, set, frozenset)):
        return ", ".join(sorted(str(_shown(one)) for one in value))
    return _without_credentials(str(value))


def _without_credentials(text: str) -> str:
    """URLs may carry a password before the host, or a token in their query."""
    if not re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE):
        return text
    parts = urlsplit(text)
    name, at, host = parts.netloc.rpartition("@")
    query = HIDDEN if parts.query else ""
    return urlunsplit(parts._replace(netloc=(HIDDEN if name else "") + at + host, query=query, fragment=""))


async def _schema_state(database: Database, source: Migrations) -> SchemaState | None:
    try:
        applied = await applied_migrations(database, source)
    except (Unavailable, asyncpg.PostgresError):
        return None
    latest = applied[-1] if applied else None
    known = {row["version"] for row in applied}
    return SchemaState(
        name=source.schema,
        version=latest["name"] if latest else None,
        applied_at=latest["applied_at"] if latest else None,
        pending=[one.name for one in read_migrations(source) if one.version not in known],
    )


async def _room(storage: Storage, settings: Settings) -> StorageRoom:
    kind: Literal["folder", "mongodb"] = (
        "mongodb" if getattr(settings, "stores_in_mongodb", False) else "folder"
    )
    try:
        capacity = await storage.capacity()
    except Unavailable:
        capacity = None
    if capacity is None:
        return StorageRoom(kind=kind, free_bytes=None, total_bytes=None)
    return StorageRoom(kind=kind, free_bytes=capacity.free_bytes, total_bytes=capacity.total_bytes)


def _end(path: Path) -> datetime | None:
    try:
        return first_end(path.read_bytes())
    except (OSError, ValueError):
        return None
