"""`python -m services.ingest.dimse`: C-ECHO and C-STORE, with what ingest needs."""

from libs.common.http.serving import run
from services.ingest.dimse.app import create
from services.ingest.dimse.settings import DimseSettings

if __name__ == "__main__":
    raise SystemExit(run(DimseSettings, create))
