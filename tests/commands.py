"""Commands of operators as processes of their own, without a second of imports for each.

One process has imported what they need, and forks for each: what runs is `python -m module …` with its own
environment, arguments, standard streams and exit code.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import runpy
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRELOADED = ("services.command", "services.auth.command")
MAX_ANSWER = 1 << 26


def run_command(
    module: str, *arguments: str, env: Mapping[str, str], given: str = "", timeout: float = 250.0
) -> subprocess.CompletedProcess[str]:
    """What `python -m module …` in the project's root printed, and how it ended; `given` is its input."""
    asked = json.dumps([module, arguments, dict(env), given]).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(_server())
        connection.sendall(asked)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            code, out, err = json.loads(answer.read(MAX_ANSWER))
    return subprocess.CompletedProcess([module, *arguments], code, out, err)


@functools.cache
def _server() -> str:
    """The address of the process that forks; it ends with this one."""
    folder = tempfile.mkdtemp(prefix="commands-")
    address = f"{folder}/socket"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.commands", address],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    atexit.register(_end, process, folder)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return address


def _end(process: subprocess.Popen[bytes], folder: str) -> None:
    process.kill()
    process.communicate()
    shutil.rmtree(folder)


class _Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """One connection is one command."""


class _Forked(socketserver.StreamRequestHandler):
    """Runs in a process forked for one command."""

    def handle(self) -> None:
        module, arguments, env, given = json.loads(self.rfile.read())
        os.environ.clear()
        os.environ.update(env)
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            tempfile.TemporaryFile() as into,
        ):
            into.write(given.encode())
            into.seek(0)
            for number, file in enumerate((into, out, err)):
                os.dup2(file.fileno(), number)
            code = _run(module, arguments)
            sys.stdout.flush()
            sys.stderr.flush()
            texts = [os.pread(file.fileno(), MAX_ANSWER, 0).decode() for file in (out, err)]
        self.wfile.write(json.dumps([code, *texts]).encode())


def _run(module: str, arguments: list[str]) -> int:
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
            return 1
        return end.code or 0
    except Exception:  # noqa: BLE001 - the edge: what the interpreter does
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def main(address: str) -> None:
    """Serve until killed."""
    for module in PRELOADED:
        __import__(module)
    with _Server(address, _Forked) as server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.5)


if __name__ == "__main__":
    main(sys.argv[1])
