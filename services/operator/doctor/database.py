"""PostgreSQL: each service's login, its schema, the clock, and the outboxes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg
from pydantic import SecretStr

from libs.common.database.migrations import Migrations, read_migrations
from libs.common.database.postgres import Connection
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError
from libs.common.outbox.store import OutboxStore
from libs.postgresql import folder as postgres_folder
from services.auth.audit import store as audit
from services.auth.audit.chain import signers_of
from services.auth.provider.store import list_applications
from services.auth.sessions.store import signing_key_times
from services.ingest.peers.store import count_silenced
from services.operator.doctor import applications, clock
from services.operator.doctor.audit import check_anchor, check_sinks
from services.operator.doctor.report import Finding
from services.operator.doctor.settings import DoctorSettings
from services.operator.doctor.signing_keys import SIGNING_KEY, judge_signing_keys
from services.operator.migrations import MIGRATIONS
from services.operator.preflight import CONNECT_TIMEOUT, Server, explaining_failures
from services.operator.programs import program
from services.operator.settings import DATABASE
from services.results.metrics import StandbyRefusal
from services.results.pauses import store as pauses
from services.results.standby import store as standbys
from services.results.workers import store as workers
from services.results.write.fill_store import count_unfilled

NAME = "postgresql"
OUTBOX = "outbox"
AUTH = "auth"
INGEST = "ingest"
RESULTS = "results"
FILLED = "results filled"
STANDBY = "postgresql standby"
WORKERS = "workers"
AUDIT = "audit log"
PEERS = "peers (DIMSE)"
MOST = 100_000
"""Counting stops here."""
OLD_SECONDS = 60.0
"""An event that waits longer is worth a look."""
STANDBY_SECONDS = 2.0
"""How long a standby is waited for: a second without it is not worth a word."""
MIGRATE = "Run `python -m services migrate`."


def login(settings: DoctorSettings, role: str) -> tuple[str, str] | None:
    """The URL by which `role` is reached, and the settings it comes from; None: the embedded one is down."""
    own: SecretStr | None = getattr(settings, f"{role}_database_url")
    if own is not None:
        return own.get_secret_value(), f"{role.upper()}_DATABASE_URL"
    if settings.database_url is not None:
        return settings.database_url.get_secret_value(), "DATABASE_URL"
    if settings.database_admin_url is not None:
        url, password = settings.database_admin_url.get_secret_value(), settings.role_passwords.get(role)
        if password is None:
            return url, "DATABASE_ADMIN_URL"
        return _as(url, role, password), f"{role.upper()}_PASSWORD"
    status = postgres_folder.read_status(settings.data_dir)
    if status is None or not status.ready:
        return None
    sockets = postgres_folder.socket_folder(settings.data_dir)
    return postgres_folder.url(sockets, DATABASE, role), "DATA_DIR"


def _as(url: str, role: str, password: str) -> str:
    """The same server and database with another login."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{quote(password, safe='')}@{host}"))


async def check_administrator(settings: DoctorSettings) -> list[Finding]:
    """The login of migrations, if there is one, and whether a backup can be made with it."""
    if settings.database_admin_url is None:
        return []
    url = settings.database_admin_url.get_secret_value()
    async with _connected(url, "DATABASE_ADMIN_URL") as connection:
        user = await connection.fetchval("SELECT current_user")
        server = connection.get_server_version().major
    findings = [Finding(f"{NAME} administrator", "ok", f"DATABASE_ADMIN_URL logs in as {user}.")]
    try:
        await asyncio.to_thread(program, "pg_dump", url, server)
    except ConfigurationError as error:
        findings.append(Finding(f"{NAME} pg_dump", "warning", error.detail, "`backup` runs it here."))
    return findings


async def check_role(settings: DoctorSettings, source: Migrations) -> list[Finding]:
    """One service's login and schema. Raises ConfigurationError when it does not get in."""
    found = login(settings, source.schema)
    if found is None:
        return [_not_running()]
    url, setting = found
    other = unquote(urlsplit(url).username or "")
    if other in {s.schema for s in MIGRATIONS} - {source.schema}:
        return [
            Finding(
                f"{NAME} {source.schema}",
                "note",
                f"Not looked at: {setting} is that of {other}.",
                f"Give {source.schema.upper()}_DATABASE_URL as well.",
            )
        ]
    async with _connected(url, setting, source.schema) as connection:
        before = datetime.now(UTC)
        theirs = await connection.fetchval("SELECT clock_timestamp()")
        after = datetime.now(UTC)
        findings = [await _schema(connection, source)]
    if source is MIGRATIONS[0]:
        findings.append(clock.judge(before, theirs, "PostgreSQL", after - before))
    return findings


async def check_results(settings: DoctorSettings) -> list[Finding]:
    """Whether results of earlier releases have what this one keeps."""
    found = login(settings, RESULTS)
    if found is None:
        return [_not_running()]
    url, setting = found
    try:
        async with _connected(url, setting, RESULTS) as connection:
            unfilled = await count_unfilled(connection, MOST)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError):
        # The check of the schema says so.
        return []
    if not unfilled:
        return [Finding(FILLED, "ok", "Every result has its study and the columns of its header.")]
    many = f"{unfilled} results" if unfilled < MOST else f"{MOST} results or more"
    return [
        Finding(
            FILLED,
            "warning",
            f"{many} of an earlier release lack their study and columns of their headers.",
            "Run `python -m services fill-results` once every service is of this release.",
        )
    ]


async def check_workers(settings: DoctorSettings) -> list[Finding]:
    """Who measures files, by their own word."""
    found = login(settings, RESULTS)
    if found is None:
        return [_not_running()]
    url, setting = found
    try:
        async with _connected(url, setting, RESULTS) as connection:
            counted = await workers.count_states(connection)
            held = (await pauses.paused(connection)).values()
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        # The check of the schema says so.
        return []
    if lost := counted.get("lost", 0):
        return [
            Finding(
                WORKERS,
                "warning",
                f"{lost} went silent within the last hour without saying that they end.",
                "See who in /api/processing/workers; docs/operations.md (WorkerLost) says what to do.",
            )
        ]
    if held:
        told = ", ".join(
            f"{one.lane} (user {one.paused_by}, {one.paused_at:%Y-%m-%d %H:%M} UTC)" for one in held
        )
        return [
            Finding(
                WORKERS,
                "warning",
                f"Paused lanes: {told}.",
                "What waits there is safe; POST /api/processing/queues/{queue}/resume lets it go on.",
            )
        ]
    working = counted.get("working", 0) + counted.get("draining", 0)
    return [Finding(WORKERS, "ok", f"{working} at work, {counted.get('stopped', 0)} ended within the hour.")]


async def check_standby(settings: DoctorSettings) -> list[Finding]:
    """Whether DATABASE_READ_URL leads to a standby of results' database, which has what that has."""
    if settings.database_read_url is None:
        return []
    found = login(settings, RESULTS)
    if found is None:
        return [_not_running()]
    try:
        async with _connected(*found, RESULTS) as connection:
            mark = await standbys.read_mark(connection)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        # The check of the schema says so.
        return []
    url = settings.database_read_url.get_secret_value()
    try:
        async with _connected(url, "DATABASE_READ_URL", RESULTS) as connection:
            cause = await _refusal(connection, mark)
    except ConfigurationError as error:
        return [Finding(STANDBY, "warning", error.detail, "Until then the primary answers all reads.")]
    if cause == "behind":
        what = f"The standby is behind: it lacks what the primary had {STANDBY_SECONDS:g} s ago."
        advice = "The primary answers its reads; docs/operations.md (StandbyNotRead) says what to do."
        return [Finding(STANDBY, "warning", what, advice)]
    if cause is not None:
        what = "DATABASE_READ_URL leads to no standby of the primary."
        return [Finding(STANDBY, "problem", what, "Name a streaming standby of DATABASE_URL, or nothing.")]
    return [Finding(STANDBY, "ok", "It has all that the primary has.")]


async def _refusal(connection: Connection, mark: standbys.WalMark) -> StandbyRefusal | None:
    until = asyncio.get_running_loop().time() + STANDBY_SECONDS
    while (cause := await standbys.refusal(connection, mark)) == "behind":
        if asyncio.get_running_loop().time() >= until:
            break
        await asyncio.sleep(0.1)
    return cause


async def check_outbox(settings: DoctorSettings) -> list[Finding]:
    """What ingest and results have announced and nobody has taken."""
    findings = []
    for schema in (INGEST, RESULTS):
        found = login(settings, schema)
        if found is None:
            return [_not_running()]
        findings += await _outbox(schema, *found)
    return findings


async def _outbox(schema: str, url: str, setting: str) -> list[Finding]:
    store = OutboxStore(schema)
    try:
        async with _connected(url, setting, schema) as connection:
            backlog = await store.backlog(connection)
            dead = await store.count_dead(connection)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return [Finding(OUTBOX, "problem", f"There is no {schema}.outbox yet.", MIGRATE)]
    findings = []
    if dead:
        findings.append(
            Finding(
                OUTBOX,
                "problem",
                f"{dead} events of {schema} were given up.",
                "See why with `reconcile`, and replay them with `reconcile --repair`.",
            )
        )
    if backlog.pending and backlog.oldest_seconds > OLD_SECONDS:
        findings.append(
            Finding(
                OUTBOX,
                "problem",
                f"{backlog.pending} events of {schema} wait, the oldest for {backlog.oldest_seconds:.0f} s.",
                f"See that {schema} runs and that RabbitMQ takes messages (its memory and disk alarms).",
            )
        )
    else:
        findings.append(Finding(OUTBOX, "ok", f"{backlog.pending} events of {schema} wait."))
    return findings


async def check_audit(settings: DoctorSettings) -> list[Finding]:
    """Whether what is noted is sealed, and by a key that is in auth's keyring."""
    found = login(settings, AUTH)
    if found is None:
        return [_not_running()]
    try:
        async with _connected(*found, AUTH) as connection:
            waiting, oldest = await audit.backlog(connection)
            head = await audit.head(connection)
            loose = await audit.missing_guards(connection)
            behind = await audit.sinks_behind(connection)
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return [Finding(AUDIT, "problem", "There is no auth.audit_log yet.", MIGRATE)]
    wrong = []
    if loose is not None:
        wrong.append((f"{loose}.", "Tell who answers for data protection: docs/audit.md says what to do."))
    if waiting and oldest > OLD_SECONDS:
        what = f"{waiting} entries wait to be sealed, the oldest for {oldest:.0f} s."
        wrong.append((what, "See that auth runs and has its AUTH_KEYRING_FILE."))
    path = settings.auth_keyring_path
    if head is not None and path.exists() and head.key_id not in signers_of(Keyring.load(path))[1]:
        what = f"The log is signed with a key that is not in {path}."
        wrong.append((what, "Put the keyring back that auth had: see its copies."))
    findings = [Finding(AUDIT, "problem", *one) for one in wrong]
    reached = 0 if head is None else head.root.last_seq
    if not findings:
        findings.append(Finding(AUDIT, "ok", f"Sealed up to entry {reached}; {waiting} entries wait."))
    return [*findings, await check_anchor(settings, reached), *await check_sinks(settings, behind)]


async def check_peers(settings: DoctorSettings) -> list[Finding]:
    """Whether those who may send by DIMSE have accounts that may."""
    found = login(settings, INGEST)
    if found is None:
        return [_not_running()]
    try:
        async with _connected(*found, INGEST) as connection:
            active, silenced = await count_silenced(connection)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError):
        # The check of the schema says so.
        return []
    if not silenced:
        return [Finding(PEERS, "ok", f"{active} may send by DIMSE.")]
    return [
        Finding(
            PEERS,
            "warning",
            f"{silenced} of {active} act for an account that may not send into its collection now.",
            "See the runbook PeersUnknown; `python -m services peers list` names them.",
        )
    ]


async def check_applications(settings: DoctorSettings) -> list[Finding]:
    """Whether the pages of registered applications may call."""
    found = login(settings, AUTH)
    if found is None:
        return [_not_running()]
    try:
        async with _connected(*found, AUTH) as connection:
            registered = await list_applications(connection)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError):
        # The check of the schema says so.
        return []
    return applications.judge_applications(registered, settings.cors_origins)


async def check_signing_key(settings: DoctorSettings) -> list[Finding]:
    """How old the key of access tokens is, and whether another waits to take its place."""
    found = login(settings, AUTH)
    if found is None:
        return [_not_running()]
    try:
        async with _connected(*found, AUTH) as connection:
            keys = [key for key in await signing_key_times(connection) if key.published]
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError):
        return [Finding(SIGNING_KEY, "problem", "The table auth.signing_key is not today's.", MIGRATE)]
    return judge_signing_keys(keys, datetime.now(UTC))


async def _schema(connection: Connection, source: Migrations) -> Finding:
    check, schema = f"{NAME} {source.schema}", source.schema
    files = {migration.version: migration.name for migration in read_migrations(source)}
    try:
        rows = await connection.fetch(f'SELECT version FROM "{schema}".schema_migration')  # noqa: S608
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return Finding(check, "problem", f"Schema {schema} is missing.", MIGRATE)
    applied = {row["version"] for row in rows}
    if missing := [name for version, name in files.items() if version not in applied]:
        return Finding(check, "problem", f"Schema {schema} lacks {', '.join(missing)}.", MIGRATE)
    if applied > files.keys():
        return Finding(check, "note", f"{schema} logs in; its schema is newer than this release.")
    return Finding(check, "ok", f"{schema} logs in; its schema is at {max(applied):04}.")


def _not_running() -> Finding:
    return Finding(NAME, "note", "The embedded PostgreSQL is not running.", "`make run` starts it.")


@asynccontextmanager
async def _connected(url: str, setting: str, role: str | None = None) -> AsyncIterator[Connection]:
    """A connection that acts as `role`, whoever logs in. Raises ConfigurationError."""
    with explaining_failures(Server.of(url), setting):
        connection = await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT,
            command_timeout=CONNECT_TIMEOUT,
            server_settings={"application_name": "doctor"},
        )
        try:
            if role is not None:
                await _assume(connection, role, setting)
            yield connection
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT)


async def _assume(connection: Connection, role: str, setting: str) -> None:
    try:
        await connection.execute(f'SET ROLE "{role}"')
    except asyncpg.InvalidParameterValueError as error:
        raise ConfigurationError(f"Run `python -m services migrate`: there is no role {role} yet.") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(f"Let the user of {setting} act for {role} (GRANT {role} TO …).") from error
