"""What a check finds, and how it is told: a table for people, JSON for programs."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from typing import Literal, NamedTuple

import orjson

Level = Literal["ok", "note", "warning", "problem"]
NARROWEST = 60


class Finding(NamedTuple):
    """One thing that was looked at; `advice` says what to do where something is to be done."""

    check: str
    level: Level
    what: str
    advice: str | None = None


def exit_code(findings: Sequence[Finding]) -> int:
    """1 when there is a problem; warnings do not stop anything yet."""
    return int(any(finding.level == "problem" for finding in findings))


def as_json(findings: Sequence[Finding]) -> str:
    """One document."""
    document = {"ok": exit_code(findings) == 0, "findings": [finding._asdict() for finding in findings]}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def as_text(findings: Sequence[Finding]) -> str:
    """A table, wrapped to the terminal's width, and a sentence."""
    columns = shutil.get_terminal_size((120, 24)).columns
    first = max((len(finding.check) for finding in findings), default=0)
    indent = first + len("problem") + 4
    width = max(columns - indent, NARROWEST)
    lines = []
    for finding in findings:
        body = textwrap.wrap(finding.what, width)
        if finding.advice is not None:
            body += textwrap.wrap(f"-> {finding.advice}", width, subsequent_indent="   ")
        lines.append(f"{finding.check:<{first}}  {finding.level:<7}  {body[0]}")
        lines += [f"{'':<{indent}}{line}" for line in body[1:]]
    return "\n".join(lines) + f"\n\n{_conclusion(findings)}\n"


def _conclusion(findings: Sequence[Finding]) -> str:
    problems = sum(finding.level == "problem" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if problems:
        return f"{problems} problem(s), {warnings} warning(s): the arrows say what to do."
    return f"{warnings} warning(s), nothing that stops the system." if warnings else "All is well."
