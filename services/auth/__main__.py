"""`python -m services.auth`: this service on its own; `user`, `group`, `permission` work on its accounts."""

import sys

from libs.common.http.serving import run
from services.auth import command
from services.auth.app import create
from services.auth.settings import AuthSettings

if __name__ == "__main__":
    commanded = sys.argv[1:2] and sys.argv[1] in command.COMMANDS
    raise SystemExit(command.run(sys.argv[1:]) if commanded else run(AuthSettings, create))
