"""`python -m services.processor`: one pool of workers, with AMQP_URL and KEYRING_FILE."""

if __name__ == "__main__":
    # Inside the guard: decoder processes import this module anew, and need nothing of it.
    from libs.common.http.serving import run
    from services.processor.app import start
    from services.processor.settings import ProcessorSettings

    raise SystemExit(run(ProcessorSettings, start))
