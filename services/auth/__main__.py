"""`python -m services.auth`: this service on its own; `user`, `group` and so on work on its tables."""

import sys

from libs.common.http.serving import run
from services.auth import command
from services.auth.app import create
from services.auth.audit import command as audit_command
from services.auth.sessions import command as key_command
from services.auth.settings import AuthSettings

if __name__ == "__main__":
    commands = {
        **dict.fromkeys(command.COMMANDS, command.run),
        **dict.fromkeys(audit_command.COMMANDS, audit_command.run),
        **dict.fromkeys(key_command.COMMANDS, key_command.run),
    }
    chosen = commands.get("".join(sys.argv[1:2]))
    raise SystemExit(run(AuthSettings, create) if chosen is None else chosen(sys.argv[1:]))
