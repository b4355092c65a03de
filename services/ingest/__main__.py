"""`python -m services.ingest`: this service on its own, with DATABASE_URL, AMQP_URL and KEYRING_FILE."""

from libs.common.http.serving import run
from services.ingest.app import create
from services.ingest.settings import IngestSettings

if __name__ == "__main__":
    raise SystemExit(run(IngestSettings, create))
