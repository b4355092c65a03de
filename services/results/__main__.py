"""`python -m services.results`: this service on its own, with DATABASE_URL, AMQP_URL and KEYRING_FILE."""

from libs.common.serving import run
from services.results.app import create
from services.results.settings import ResultsSettings

if __name__ == "__main__":
    raise SystemExit(run(ResultsSettings, create))
