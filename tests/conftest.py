"""Fixtures of the real servers; each module says what it gives."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

COST = "cost"
"""What a test has to say of the CPU that a file takes."""

pytest_plugins = [
    "tests.fixtures_postgres",
    "tests.fixtures_rabbitmq",
    "tests.fixtures_mongodb",
    "tests.fixtures_reconcile",
    "tests.fixtures_auth",
]

# No test asserts a time, and a busy machine is slow to draw examples, too. The examples are the same each
# time, so that a change is judged by what it changes; `make fuzz` tries others.
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="FUZZ_EXAMPLES" not in os.environ,
)
settings.load_profile("untimed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what a file costs, as far as a test has found out."""
    told = [
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in getattr(report, "user_properties", ())
        if name == COST and report.when == "call"
    ]
    if told:
        terminalreporter.section("CPU a file, in yardsticks (make bench-guard says it more exactly)")
        terminalreporter.write_line("\n".join(told))
