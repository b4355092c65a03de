"""`python -m services`: what is checked and started, in which order, and stopped again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiohttp import web
from pydantic import SecretStr

from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, Unavailable
from libs.common.http.health import look
from libs.common.http.serving import bind, run_loop, serve
from libs.common.keys import READINESS
from libs.common.resources import open_storage
from libs.common.settings.loading import load_settings
from libs.postgresql.embedded import EmbeddedPostgres
from services.allinone.app import ADMIN, create
from services.ingest.dimse.settings import DimseSettings
from services.operator.migrations import MIGRATIONS, bring_up_to_date
from services.operator.preflight import check_broker, check_roles, prepare_data_dir
from services.operator.settings import DATABASE, OperatorSettings

log = logging.getLogger(__name__)
READY_SECONDS = 10.0
"""How long the first line about the address waits for everything to be ready."""
_USED = "SELECT EXISTS (SELECT FROM auth.audit_batch) OR EXISTS (SELECT FROM auth.totp)"
EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not bound


def run(settings: OperatorSettings) -> int:
    """Run until a signal. Returns the exit code. Raises ConfigurationError; nothing is left running."""
    prepare_data_dir(settings.data_dir)
    prepare_keyring(settings)
    # Before anything is started: a busy port is the commonest mistake.
    with contextlib.closing(bind(settings.host, settings.port)) as listener, dicom_listener() as dicom:
        port: int = listener.getsockname()[1]
        settings = settings.model_copy(update={"port": port})
        with postgresql(settings) as (database_url, embedded):

            async def main() -> int:
                await prepare(settings, database_url, embedded=embedded is not None)
                app = create(overrides(settings, database_url), embedded, dicom)
                return await serve(app, listener, settings, lambda: announce(app, settings, dicom))

            return run_loop(main())


@contextlib.contextmanager
def dicom_listener() -> Iterator[socket.socket | None]:
    """Where modalities send to; None where it cannot be, and nobody has asked for its port.

    A second system on a machine needs no other setting than PORT then. Raises ConfigurationError.
    """
    settings = load_settings(DimseSettings)
    try:
        if settings.dimse_forbidden:
            raise ConfigurationError("REQUIRE_TLS is set: set DIMSE_TLS_CERT_FILE, or DIMSE_PLAINTEXT=true.")
        found = bind(settings.dimse_host or settings.host, settings.dimse_port, "DIMSE_")
    except ConfigurationError as error:
        if "dimse_port" in settings.model_fields_set:
            raise
        log.warning("no C-STORE and C-ECHO: %s", error.detail)
        yield None
        return
    with contextlib.closing(found):
        yield found


@contextlib.contextmanager
def postgresql(settings: OperatorSettings) -> Iterator[tuple[str, EmbeddedPostgres | None]]:
    """The URL of the database, and the embedded server behind it unless DATABASE_URL names another."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value(), None
        return
    with EmbeddedPostgres(settings.data_dir) as server:
        yield server.url(DATABASE), server


async def prepare(settings: OperatorSettings, database_url: str, *, embedded: bool) -> None:
    """Try what was configured, and bring the schemas up to date. Raises ConfigurationError."""
    if settings.amqp_url is not None:
        await check_broker(settings.amqp_url.get_secret_value(), settings.tls_ca_file)
    admin_url = None if embedded else settings.migration_url
    await bring_up_to_date(admin_url or database_url)
    await prepare_auth_keyring(settings, admin_url or database_url)
    if not embedded:
        await check_roles(database_url, tuple(source.schema for source in MIGRATIONS))


def overrides(settings: OperatorSettings, database_url: str) -> dict[str, Any]:
    """What the services must not read from the environment themselves."""
    return {
        "port": settings.port,
        "database_url": SecretStr(database_url),
        "database_set_role": True,
        "auth_keyring_file": settings.auth_keyring_path,
    }


def prepare_keyring(settings: OperatorSettings) -> None:
    """Make the first keyring. Never where objects exist: they need the one that is missing."""
    missing = settings.keyring_file is None and not settings.keyring_path.exists()
    if missing and not holds_objects(settings):
        Keyring.create(settings.keyring_path)
    Keyring.load(settings.keyring_path)


async def prepare_auth_keyring(settings: OperatorSettings, admin_url: str) -> None:
    """Make auth's first keyring. Never where it has closed something: that needs the one that is missing.

    Raises ConfigurationError.
    """
    path = settings.auth_keyring_path
    if settings.auth_keyring_file is not None or path.exists():
        return
    if await uses_auth_keyring(admin_url):
        raise ConfigurationError(
            f"Put {path} back from its copy: it has sealed the audit log, or closed second factors. "
            "If it is lost for good, see docs/audit.md (Keys) first."
        )
    Keyring.create(path)


async def uses_auth_keyring(admin_url: str) -> bool:
    """Whether anything was sealed or closed with auth's keyring."""
    connection = await asyncpg.connect(admin_url)
    try:
        return bool(await connection.fetchval(_USED))
    finally:
        await connection.close()


def holds_objects(settings: OperatorSettings) -> bool:
    """Whether anything is stored already. Raises ConfigurationError where MongoDB does not say."""
    if not settings.stores_in_mongodb:
        return settings.storage_root.exists() and any(settings.storage_root.iterdir())

    async def listed() -> bool:
        storage = open_storage(settings, Keyring("none", {"none": bytes(32)}))  # a listing decrypts nothing
        try:
            async with contextlib.aclosing(storage.keys()) as keys:
                return await anext(keys, None) is not None
        except Unavailable as error:
            raise ConfigurationError(error.detail) from error
        finally:
            await storage.close()

    return asyncio.run(listed())


async def announce(app: web.Application, settings: OperatorSettings, dicom: socket.socket | None) -> None:
    """Say where the portal is, once everything is ready or READY_SECONDS have passed."""
    waiting = await unready(app)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_SECONDS):
            while waiting:
                await asyncio.sleep(0.05)
                waiting = await unready(app)
    if waiting:
        await look(app)
    state = f"Started, still waiting for {', '.join(waiting)} (the log says why)" if waiting else "Ready"
    sys.stdout.write(
        f"{state}: open {shown_url(settings)} and sign in as {app[ADMIN]}, with ADMIN_PASSWORD "
        "or the password that was printed when the account was made. Ctrl-C stops everything.\n"
    )
    if dicom is not None:
        host, port = dicom.getsockname()[:2]
        title = load_settings(DimseSettings).dimse_ae_title
        sys.stdout.write(f"DICOM: AE title {title}, host {host}, port {port} (C-ECHO, C-STORE).\n")
    sys.stdout.flush()


async def unready(app: web.Application) -> list[str]:
    """Names of the checks that fail now."""
    names = []
    for name, check in app[READINESS].items():
        try:
            await check()
        except Unavailable:
            names.append(name)
    return names


def shown_url(settings: OperatorSettings) -> str:
    """An address that a browser on this machine can open."""
    parts = urlsplit(settings.base_url)
    if settings.public_url is None and settings.host in EVERYWHERE:
        parts = parts._replace(netloc=f"localhost:{settings.port}")
    return urlunsplit(parts)
