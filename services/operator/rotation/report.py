"""What a rotation says of keys and objects; pure."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from libs.common.encryption.keyring_content import KeyringContent
from services.operator.rotation.objects import Found

DAY = 86_400


def told_keys(path: Path, content: KeyringContent, found: Found | None, now: datetime) -> str:
    """A line for each key, the current one first; how many objects each opens, where they were looked at."""
    order = sorted(content.keys, key=lambda one: (one != content.current, one))
    width = max(map(len, order))
    lines = [f"{path}:"]
    for reference in order:
        made = content.made_at(reference)
        age = "made at an unknown time" if made is None else f"made {days(made, now)} days ago"
        uses = "" if found is None else f", {_uses(reference, content, found)}"
        lines.append(f"  {reference:{width}}  {content.role(reference):7}  {age}{uses}")
    return "\n".join(lines) + "\n"


def told_trouble(found: Found) -> str:
    """What is wrong with objects; empty where nothing is."""
    lines = [
        f"{number} objects need key {reference}, which is not in the keyring: put it back from a copy."
        for reference, number in sorted(found.missing.items())
    ]
    if found.damaged_objects:
        some = ", ".join(found.damaged)
        lines.append(
            f"{found.damaged_objects} objects have no readable header, whatever the key: restore {some}."
        )
    return "".join(f"{line}\n" for line in lines)


def days(made: datetime, now: datetime) -> int:
    """Whole days from `made` to `now`."""
    return max(0, int((now - made).total_seconds() // DAY))


def _uses(reference: str, content: KeyringContent, found: Found) -> str:
    number = found.named[reference]
    if number or content.role(reference) != "former":
        return f"{number} objects"
    return "no object needs it: it can be removed"
