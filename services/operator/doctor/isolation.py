"""What confines decoders: whether the kernel here has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from libs.isolation.confinement import lacking
from services.operator.doctor.report import Finding

NAME = "decoders"
ADVICE = {
    "landlock": "Boot a kernel with Landlock (5.13 or newer, `landlock` in its `lsm=` list), or let the "
    "container's seccomp profile allow it.",
    "seccomp": "Use a kernel with seccomp filters, on x86_64 or aarch64.",
}


def check(look: Callable[[], Sequence[str]] = lacking) -> list[Finding]:
    """Ask the kernel of this machine, which need not be a processor's or that of results."""
    missing = look()
    if not missing:
        return [Finding(NAME, "ok", "The kernel here can confine decoders: Landlock and seccomp.")]
    return [
        Finding(NAME, "warning", f"Decoders that run here are not confined by {part}.", ADVICE[part])
        for part in missing
    ]
