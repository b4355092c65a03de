"""The doctor beside the one-process system on embedded defaults, as `make doctor` runs it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import orjson

from tests.e2e.conftest import System
from tests.e2e.processes import ROOT


async def test_the_running_system_is_well(embedded_system: System) -> None:
    process = embedded_system.processes["services"]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services", "doctor", "--json"],
        env={"PATH": os.environ["PATH"], **process.environment, "PORT": str(process.port)},
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=250,
    )
    assert done.stderr == b""
    findings = orjson.loads(done.stdout)["findings"]
    # How full this machine's disk is, is its own affair.
    assert {f["check"] for f in findings if f["level"] == "problem"} <= {"disk", "object store"}, findings
    well = {f["check"] for f in findings if f["level"] == "ok"}
    assert well >= {"configuration", "outbox", "keyring", "object store", "token keys", "clock"}
    assert well >= {f"postgresql {role}" for role in ("auth", "ingest", "results")}
