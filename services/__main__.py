"""All five services in one process: `python -m services`; also the operator's commands."""

if __name__ == "__main__":
    # Inside the guard: decoder processes import this module anew, and need nothing of it.
    import sys

    from services.command import main

    sys.exit(main(sys.argv[1:]))
