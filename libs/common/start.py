"""`python -m libs.common.start MODULE …`: run a module as a container's first process.

The kernel delivers no signal to process 1 whose default action it has kept (signal(7), pid_namespaces(7)):
a SIGTERM during the imports would be lost, and the container killed only after its whole grace period.
"""

from __future__ import annotations

import runpy
import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> None:
    """End at once on SIGTERM until the module takes the signal over; what follows is its command line."""
    signal.signal(signal.SIGTERM, _end)
    module = sys.argv[1]
    sys.argv[:] = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
