"""A stand-in for MongoDB in a process of its own: briskdb, SQLite behind MongoDB's wire protocol.

It knows neither replica sets nor their write concerns, which `?w=1` keeps the driver from asking for.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class MongoServer:
    """Started by `start`; `kill` ends it without a word to its clients."""

    def __init__(self, folder: Path) -> None:
        """Keeps its data in `folder`."""
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._address = ""

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mongodb_server", self._folder],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._address = self._process.stdout.readline().strip()
        assert self._address, "the stand-in for MongoDB did not start"

    def url(self, database: str) -> str:
        """URL of a database that exists as soon as something is written to it."""
        return (
            f"mongodb://{self._address}/{database}?w=1&directConnection=true&retryWrites=false&maxPoolSize=4"
        )

    def kill(self) -> None:
        """End it as a power cut would; harmless if it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def serve(folder: Path) -> None:
    """Serve until standard input ends, that is until whoever started this does."""
    import briskdb

    with briskdb.open(folder, shards=2, documents=True) as database:
        listener = database._serve_mongo()  # the public one takes 8 connections only
        sys.stdout.write(f"{listener.address}\n")
        sys.stdout.flush()
        sys.stdin.read()
        listener.close()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
