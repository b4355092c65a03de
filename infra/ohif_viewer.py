"""OHIF beside the containers: what leads to it, its build, and its registration as an application."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from infra.engine import Asks
from libs.common.errors import ConfigurationError

PROFILE, NAME, CLIENT = "ohif", "OHIF", "ohif"
"""In compose.yml; as people know it; as the OpenID provider does."""
PORT = 8446
BUILD = Path("var/deploy/ohif")
URL = "OHIF_URL"
"""Of infra/.env: where it is registered, until it is so nowhere."""
HTTPS_PORT = "443"
COMMAND = ("exec", "-T", "auth", "python", "-m", "services.auth", "application")
COMMAND_SECONDS = 120.0
"""A process of its own starts in a container that has work."""
TRIES = 3
"""Of what fails for a moment: those who have just started ask the database, too."""
UNKNOWN = "There is no application"


def url(values: Mapping[str, str]) -> str:
    """Where people find it: an origin on the portal's host, as browsers write it (RFC 6454 6.2)."""
    host, port = values.get("GATEWAY_HOST", "localhost"), values.get("OHIF_PORT", str(PORT))
    return f"https://{host}" if port == HTTPS_PORT else f"https://{host}:{port}"


def led_to(values: Mapping[str, str], former: str, *, wanted: bool) -> dict[str, str]:
    """`values` with VIEWERS and CORS_ORIGINS that lead to it, or do so no more.

    What led to `former`, its address of the run before, is replaced; what a site has said itself stays.
    """
    led = dict(values)
    now = url(values) if wanted else None
    for name, text in (
        ("VIEWERS", _viewers(values.get("VIEWERS", ""), former, now)),
        ("CORS_ORIGINS", _origins(values.get("CORS_ORIGINS", ""), former, now)),
    ):
        if text:
            led[name] = text
        else:
            led.pop(name, None)
    if now is not None:
        led[URL] = now
    return led


def fetch() -> None:
    """Put its released build where its container looks for it. Raises ConfigurationError."""
    if subprocess.run(["infra/ohif/fetch.sh", str(BUILD)], check=False).returncode != 0:  # noqa: S603, S607
        raise ConfigurationError(f"OHIF could not be fetched into {BUILD}: it takes npm, and its registry.")


def register(engine: Asks, address: str) -> None:
    """Let it sign people in, at this address and at none that it had before. Raises ConfigurationError."""
    addresses = ("--redirect", f"{address}/callback", "--after-sign-out", f"{address}/")
    done, said = _told(engine, "change", CLIENT, *addresses)
    if not done and UNKNOWN in said:
        done, said = _told(engine, "register", NAME, "--client-id", CLIENT, "--trusted", *addresses)
    if not done:
        raise ConfigurationError(f"OHIF could not be registered; run `make up` again: {said[-300:]}")


def unregister(engine: Asks) -> None:
    """Let it sign nobody in any more: whoever gets its port would do so. Raises ConfigurationError."""
    done, said = _told(engine, "delete", CLIENT)
    if not done and UNKNOWN not in said:
        raise ConfigurationError(f"OHIF is registered still; run `make up` again: {said[-300:]}")


def _told(engine: Asks, *words: str) -> tuple[bool, str]:
    done, said = False, ""
    for _ in range(TRIES):
        done, said = engine.ask(*COMMAND, *words, timeout=COMMAND_SECONDS)
        if done or UNKNOWN in said:
            break
    return done, said


def _address(origin: str) -> str:
    return f"{origin}/viewer?StudyInstanceUIDs={{studyUid}}"


def _viewers(text: str, former: str, now: str | None) -> str:
    try:
        said = json.loads(text or "{}")
    except ValueError:
        said = None
    if not isinstance(said, dict):
        # The portal says what is wrong with it.
        return text
    new = None if now is None else _address(now)
    led = {name: new if address == _address(former) else address for name, address in said.items()}
    if new is not None and new not in led.values():
        led.setdefault(NAME, new)
    led = {name: address for name, address in led.items() if address is not None}
    if led == said:
        return text if led else ""
    return json.dumps(led, separators=(",", ":"), ensure_ascii=False) if led else ""


def _origins(text: str, former: str, now: str | None) -> str:
    said = [origin.strip() for origin in text.split(",")]
    others = [origin for origin in said if origin and origin not in (former, now)]
    return ",".join(others if now is None else [*others, now])
