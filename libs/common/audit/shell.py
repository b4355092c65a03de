"""Commands of the operator as acts: who typed them, and how they ended."""

from __future__ import annotations

import os
import pwd

from libs.common.audit.acts import Act
from libs.common.audit.entries import Ending
from libs.common.errors import ConfigurationError, RequestError


def typed(service: str, command: str) -> Act:
    """The act that a command is, of the operating system's user who runs it; nothing is written yet."""
    return Act(service, f"command.{command}", actor=f"operator:{_user_name()}")


def ending_of(error: BaseException) -> Ending:
    """How a command ended that raised `error`."""
    return "refused" if isinstance(error, ConfigurationError | RequestError) else "error"


def _user_name() -> str:
    # Not by the environment, which whoever types chooses.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
