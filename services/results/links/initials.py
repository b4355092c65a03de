"""Whom a link is about, for who has it and not its password; pure."""

from __future__ import annotations


def initials_of(patient_name: str | None) -> str | None:
    """`M. G.` of `García^María` (PS3.5 6.2.1), as it is written first; None where there are no letters."""
    family, _, given = (patient_name or "").partition("=")[0].partition("^")
    parts = (part.strip() for part in (given.partition("^")[0], family))
    found = [f"{part[0].upper()}." for part in parts if part[:1].isalpha()]
    return " ".join(found) or None
