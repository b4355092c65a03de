"""MongoDB for tests: a stand-in for the session, and a database that is empty at the start of each test.

TEST_MONGODB_URL (`mongodb://host/?options`) names a real server to use instead; the database is dropped.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pymongo
import pytest
from pymongo.errors import OperationFailure

from tests.mongodb_server import MongoServer
from tests.waiting import wait_until

WRITE_CONFLICT = 112
Session = tuple[str, pymongo.MongoClient[Any]]


@pytest.fixture(scope="session")
def session_mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """URL of the session's database, and a client of it."""
    name = f"test-{secrets.token_hex(6)}"
    given = os.environ.get("TEST_MONGODB_URL", "")
    server = None if given else MongoServer(tmp_path_factory.mktemp("mongodb"))
    try:
        if server is not None:
            server.start()
            url = server.url(name)
        else:
            url = urlsplit(given)._replace(path=f"/{name}").geturl()
        with pymongo.MongoClient[Any](url) as client:
            yield url, client
            if server is None:
                client.drop_database(name)
    finally:
        if server is not None:
            server.kill()


@pytest.fixture
def mongodb_url(session_mongodb: Session) -> Iterator[str]:
    """URL of an empty database."""
    url, client = session_mongodb
    yield url
    for name in ("objects.files", "objects.chunks"):
        collection = client.get_default_database()[name]
        # Emptied, not dropped: making indexes takes the stand-in longer than most tests.
        if collection.find_one({}, {"_id": 1}) is not None:
            wait_until(partial(emptied, collection))


def emptied(collection: Any) -> bool:
    """Whether it is empty now; what the test before has left may still write to it."""
    try:
        collection.delete_many({})
    except OperationFailure as error:
        if error.code != WRITE_CONFLICT:
            raise
        return False
    return True
