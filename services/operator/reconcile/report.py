"""What a reconciliation prints: sentences for people, or JSON, one object per line, for programs."""

from __future__ import annotations

from typing import Any, Protocol, TextIO

import orjson

from services.operator.reconcile.discrepancies import CONSISTENT, LOSS, RULES, Kind
from services.operator.reconcile.findings import Discrepancy, FindingTally

WIDTH = max(map(len, RULES))
SHOWN = 20
"""Findings of one kind that people get to read; programs get them all."""


class Report(Protocol):
    """Takes findings as they come, and the tally at the end."""

    def finding(self, finding: Discrepancy) -> None:
        """Show one."""

    def end(self, tally: FindingTally, code: int, waiting: int | None) -> None:
        """Show the sum. `waiting`: messages in the broker's queues; None without a broker."""


class JsonReport:
    """A line per finding, and a last one with `"summary": true`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def finding(self, finding: Discrepancy) -> None:
        self._line({**finding._asdict(), "loss": RULES[finding.kind].loss})

    def end(self, tally: FindingTally, code: int, waiting: int | None) -> None:
        self._line(
            {
                "summary": True,
                "files": tally.files,
                "objects": tally.objects,
                "young_objects": tally.young_objects,
                "waiting_messages": waiting,
                "found": dict(tally.found),
                "repaired": dict(+tally.repaired),
                "exit_code": code,
            }
        )

    def _line(self, value: dict[str, Any]) -> None:
        self._out.write(orjson.dumps(value).decode() + "\n")


class TextReport:
    """A line per finding, SHOWN of a kind at most, and sentences."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown: dict[Kind, int] = {}

    def finding(self, finding: Discrepancy) -> None:
        shown = self._shown[finding.kind] = self._shown.get(finding.kind, 0) + 1
        if shown > SHOWN:
            return
        mended = "  [repaired]" if finding.repaired else ""
        detail = f"  ({finding.detail})" if finding.detail else ""
        self._out.write(f"{finding.kind:<{WIDTH}} {finding.subject}{mended}{detail}\n")

    def end(self, tally: FindingTally, code: int, waiting: int | None) -> None:
        lines = [f"Looked at {tally.files} files and {tally.objects} objects."]
        for kind, rule in RULES.items():
            if found := tally.found[kind]:
                lines.append(f"  {found} {kind}: {rule.meaning}; repaired: {tally.repaired[kind]}")
        if tally.young_objects:
            lines.append(
                f"  {tally.young_objects} objects without a row are too young to be judged: perhaps uploads "
                "under way."
            )
        if waiting:
            lines.append(
                f"  {waiting} messages wait in the queues: files that wait there were not judged; "
                "run again when the queues are empty."
            )
        lines.append(_conclusion(tally, code))
        self._out.write("\n".join(lines) + "\n")


def _conclusion(tally: FindingTally, code: int) -> str:
    if code == CONSISTENT:
        return "Consistent: every accepted file is in exactly one state."
    left = tally.found.total() - tally.repaired.total()
    if code == LOSS:
        return "DATA ARE LOST: restore the objects named above from the backup, then run again."
    return (
        "Everything found is repaired; run again later to see it ended."
        if left == 0
        else (
            f"{left} findings are not repaired: run again with --repair, and see docs/operations.md for "
            "the rest."
        )
    )
