"""Which addresses an application may be answered at; pure."""

from __future__ import annotations

import pytest

from services.auth.provider.asking import is_registered

PAGE, PROGRAM, SIXTH = "https://viewer.example.org/cb", "http://127.0.0.1/cb", "http://[::1]:7/cb?x=1"
REGISTERED = (PAGE, PROGRAM, SIXTH, "http://localhost:3000/cb", "org.example.visor:/cb")


@pytest.mark.parametrize(
    "uri", [*REGISTERED, "http://127.0.0.1:49152/cb", "http://[::1]:49152/cb?x=1", "http://[::1]/cb?x=1"]
)
def test_what_is_registered_is_answered_at_whatever_port_a_program_has(uri: str) -> None:
    assert is_registered(uri, REGISTERED)


@pytest.mark.parametrize(
    "uri",
    [
        "https://viewer.example.org:8443/cb",
        "http://localhost:3001/cb",
        "http://127.0.0.1:49152/other",
        "http://127.0.0.1:49152/cb?more=1",
        "http://127.0.0.1:49152/cb#x",
        "http://127.0.0.1:@evil.example.org/cb",
        "http://127.0.0.1:1@evil.example.org/cb",
        "http://127.0.0.1:49152@evil.example.org/cb",
        "http://127.0.0.1.evil.example.org/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:0x50/cb",
        "http://127.0.0.1:49152\\cb",
        "http://127.0.0.1:49152/cb\n",
        "https://127.0.0.1:49152/cb",
        "http://[::1]:49152/cb",
        "http://127.0.0.2:49152/cb",
        "",
    ],
)
def test_nothing_else_is(uri: str) -> None:
    assert not is_registered(uri, REGISTERED)
