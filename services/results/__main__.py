"""`python -m services.results`: this service on its own; `reconcile` compares what all of them keep."""

import sys

from libs.common.http.serving import run
from services.results.app import create
from services.results.settings import ResultsSettings


def main() -> int:
    """Returns the exit code."""
    if sys.argv[1:2] != ["reconcile"]:
        return run(ResultsSettings, create)
    # The operator's: the service itself needs none of it.
    from services.operator.reconcile.command import reconcile

    return reconcile(sys.argv[2:])


if __name__ == "__main__":
    raise SystemExit(main())
