"""`python -m services.processor`: one pool of workers, with AMQP_URL and KEYRING_FILE."""

from libs.common.serving import run
from services.processor.app import create
from services.processor.settings import ProcessorSettings

if __name__ == "__main__":
    raise SystemExit(run(ProcessorSettings, create))
