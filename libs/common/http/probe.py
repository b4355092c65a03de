"""`python -m libs.common.http.probe [PATH]`: ask this container's own service how it is; /livez without PATH.

Exit code 0 for a 200. The certificate is not verified: the question never leaves the loopback interface.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection

TIMEOUT = 4.0
"""Seconds; below the five that the container's health check waits."""


def probe(path: str, environment: Mapping[str, str]) -> tuple[bool, str]:
    """Whether GET `path` answers 200 on PORT, and the answer or what went wrong."""
    port = int(environment.get("PORT") or 8080)
    connection: HTTPConnection
    if environment.get("TLS_CERT_FILE"):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT, context=context)
    else:
        connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status == HTTPStatus.OK, answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        return False, f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def main(arguments: Sequence[str]) -> int:
    """Print the answer. Returns the exit code."""
    well, text = probe(arguments[0] if arguments else "/livez", os.environ)
    print(text)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
