"""`python -m services.auth`: this service on its own, with DATABASE_URL; `create-user` makes an account."""

import sys

from libs.common.http.serving import run
from services.auth.app import create
from services.auth.command import create_user
from services.auth.settings import AuthSettings

if __name__ == "__main__":
    raise SystemExit(
        create_user(sys.argv[2:]) if sys.argv[1:2] == ["create-user"] else run(AuthSettings, create)
    )
