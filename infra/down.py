"""`python -m infra.down`: stop infra/compose.yml. Data, secrets and certificates stay."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from infra import deployment_environment
from infra.engine import ENVIRONMENT_FILE, find_engine
from libs.common.errors import ConfigurationError


def main(arguments: Sequence[str]) -> int:
    """Stop every container, those of profiles included. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make down", description="Stop everything in containers.")
    parser.add_argument("--volumes", action="store_true", help="delete all data, files and results included")
    options = parser.parse_args(arguments)
    try:
        if not deployment_environment.read(ENVIRONMENT_FILE):
            raise ConfigurationError("Nothing to stop: `make up` was never run here.")
        find_engine().run("down", "--remove-orphans", *(["--volumes"] if options.volumes else []))
    except ConfigurationError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
