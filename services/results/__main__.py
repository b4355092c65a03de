"""`python -m services.results`: this service on its own; `reconcile` compares what all of them keep."""

import sys

from libs.common.serving import run
from services.results.app import create
from services.results.command import reconcile
from services.results.settings import ResultsSettings

if __name__ == "__main__":
    raise SystemExit(
        reconcile(sys.argv[2:]) if sys.argv[1:2] == ["reconcile"] else run(ResultsSettings, create)
    )
