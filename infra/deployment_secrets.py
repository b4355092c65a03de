"""The secrets of one deployment: files made once, each readable for the containers' group only.

`make up` makes them at its first run; nothing of them is ever printed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError

FOLDER = Path("var/deploy/secrets")
DEFINITIONS = Path(__file__).parent / "rabbitmq" / "definitions.json"
RENDERED = "rabbitmq_definitions.json"
AUTH_KEYRING_MADE = "auth_keyring_made"
"""Where it is, auth's keyring was made once: deployments of earlier releases have neither."""
BACKUP_IDENTITY = "backup-identity.txt"
"""Beside the folder: what opens backups goes into no container."""
ROLES = ("auth", "ingest", "results")
"""Who logs in to PostgreSQL."""
ACCOUNTS = ("ingest", "processor", "results", "operator")
"""Who logs in to RabbitMQ."""
SHARED_ACCOUNT = ("amqp_password", "amqp_url")
"""Of the one RabbitMQ user that all services of earlier releases had."""
DATABASE = "bddicomimage"
FILE_STORAGE = "file:///var/lib/dicom/dicom_file"
FOLDER_MODE = 0o750
FILE_MODE = 0o440


def make(folder: Path, *, mongodb: bool = False) -> list[str]:
    """Make every secret that is missing; answers the names of those made. Raises ConfigurationError, OSError.

    A file that exists is kept, whatever it holds: it may be what a database was initialised with. `mongodb`
    is where new objects go when nothing says so yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # After the umask: the group is what lets a container's user in.
    folder.chmod(FOLDER_MODE)

    def read(name: str) -> str:
        return (folder / name).read_text()

    def amqp_url(account: str) -> str:
        return f"amqps://{account}:{read(f'{account}_amqp_password')}@rabbitmq:5671/dicom"

    def database_url(user: str, password: str) -> str:
        return f"postgresql://{user}:{read(password)}@postgres:5432/{DATABASE}?sslmode=verify-full"

    of_broker = tuple(f"{account}_amqp" for account in ACCOUNTS)
    passwords = ("postgres", *ROLES, *of_broker, "monitoring", "mongodb", "admin", "grafana_admin")
    # In this order: URLs and hashes hold the passwords above them.
    recipes: dict[str, Callable[[], str]] = {f"{name}_password": new_password for name in passwords}
    recipes["database_admin_url"] = lambda: database_url("postgres", "postgres_password")
    for role in ROLES:
        recipes[f"{role}_database_url"] = partial(database_url, role, f"{role}_password")
    for account in ACCOUNTS:
        recipes[f"{account}_amqp_url"] = partial(amqp_url, account)
    recipes["storage_url"] = lambda: _mongodb_url(read("mongodb_password")) if mongodb else FILE_STORAGE
    # What signs what the audit log tells a SIEM.
    recipes["audit_sink_secret"] = lambda: base64.b64encode(secrets.token_bytes(32)).decode()
    made = [
        *_make_keyring(folder, "keyring.json", RENDERED, "what is stored cannot be read without it"),
        *_make_keyring(
            folder,
            "auth_keyring.json",
            AUTH_KEYRING_MADE,
            "without it the audit log cannot be proved, nor second factors be read",
        ),
        *(name for name, recipe in recipes.items() if _make_once(folder / name, recipe)),
    ]
    _make_once(folder / AUTH_KEYRING_MADE, lambda: "auth_keyring.json is there, or was.\n")
    # The only one that follows the release: its policies may have changed.
    rendered = folder / RENDERED
    text = definitions(
        {account: read(f"{account}_amqp_password") for account in ACCOUNTS}
        | {"monitoring": read("monitoring_password")}
    )
    if not rendered.exists() or rendered.read_text() != text:
        rendered.unlink(missing_ok=True)
        _make_once(rendered, lambda: text)
    return made


def _make_keyring(folder: Path, name: str, marker: str, loss: str) -> list[str]:
    """A keyring, at the first run only. Raises ConfigurationError where it is lost.

    `marker` is written after it: where that is, there was a keyring once, and something may need it.
    """
    keyring = folder / name
    if keyring.exists():
        return []
    if (folder / marker).exists():
        raise ConfigurationError(
            f"Put {keyring} back from its copy: {loss}. Only if nothing was ever stored, run "
            f"`make down ARGS=--volumes` and delete {folder} instead."
        )
    Keyring.create(keyring)
    keyring.chmod(FILE_MODE)
    return [keyring.name]


def uses_mongodb(folder: Path) -> bool:
    """Whether objects are kept in MongoDB."""
    return (folder / "storage_url").read_text().startswith("mongodb")


def definitions_digest(folder: Path) -> str:
    """Says whether RabbitMQ's definitions have changed, and nothing of what is in them."""
    return hashlib.sha256((folder / RENDERED).read_bytes()).hexdigest()[:16]


def definitions(passwords: Mapping[str, str]) -> str:
    """RabbitMQ's definitions with the hashes of its users' passwords."""
    document = json.loads(DEFINITIONS.read_text())
    for user in document["users"]:
        user["password_hash"] = rabbitmq_hash(passwords[user["name"]])
    return json.dumps(document, indent=2) + "\n"


def subscriber_password(folder: Path, name: str) -> str:
    """The RabbitMQ password of somebody outside who is told events, made the first time. Raises OSError."""
    file = folder / f"subscriber_{name}_password"
    folder.mkdir(parents=True, exist_ok=True)
    _make_once(file, new_password)
    return file.read_text()


def rabbitmq_hash(password: str) -> str:
    """What RabbitMQ keeps of a password: base64 of a salt of 4 bytes and SHA-256 of salt and password.

    Source: rabbitmq.com/docs/passwords. The salt follows from the password, so that the same definitions come
    out each time: good for random passwords only, which these are.
    """
    salt = hashlib.sha256(b"salt of " + password.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def new_password() -> str:
    """160 random bits, nothing that a URL, a shell or a person would stumble over."""
    return secrets.token_hex(20)


def _mongodb_url(password: str) -> str:
    return f"mongodb://dicom:{password}@mongodb:27017/{DATABASE}?authSource=admin&tls=true"


def _make_once(path: Path, recipe: Callable[[], str]) -> bool:
    """Write what `recipe` gives unless the file is there; it is never there in part."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(recipe())
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), FILE_MODE)
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True
