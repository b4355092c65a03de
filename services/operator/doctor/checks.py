"""How checks run: side by side, each for a bounded time, none in the way of another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from libs.common.errors import ConfigurationError, DicomSystemError
from services.operator.doctor.report import Finding

LIMIT = 15.0
"""Seconds that a check gets."""
GRACE = 1.0
"""Seconds that one which is told to stop gets for that."""


@dataclass(frozen=True)
class Check:
    """One question; `run` raises DicomSystemError where its sentence is the whole finding."""

    name: str
    run: Callable[[], Awaitable[Sequence[Finding]]]


async def examine(checks: Sequence[Check], limit: float = LIMIT) -> tuple[list[Finding], bool]:
    """All findings in the order of `checks`, and whether a check is stuck and cannot be stopped."""
    tasks = {check.name: asyncio.create_task(_findings(check), name=check.name) for check in checks}
    _, late = await asyncio.wait(tasks.values(), timeout=limit)
    for task in late:
        task.cancel()
    # A thread on a network file system that is gone never comes back: it is not waited for.
    stuck = bool(late and (await asyncio.wait(late, timeout=GRACE))[1])
    findings: list[Finding] = []
    for name, task in tasks.items():
        if task in late:
            findings.append(
                Finding(
                    name,
                    "problem",
                    f"There was no answer within {limit:g} s.",
                    "See whether the server, the network or the file system behind it hangs.",
                )
            )
        else:
            findings += task.result()
    # What several checks found alike is told once.
    return list(dict.fromkeys(findings)), stuck


async def _findings(check: Check) -> list[Finding]:
    try:
        return list(await check.run())
    except ConfigurationError as error:
        # These sentences begin with what to do.
        return [Finding(check.name, "problem", error.detail or error.title)]
    except DicomSystemError as error:
        return [Finding(check.name, "problem", error.detail or error.title)]
    except Exception as error:  # noqa: BLE001 - the edge: a check that fails must not hide the others
        return [Finding(check.name, "problem", f"The check itself failed: {type(error).__name__}: {error}")]
