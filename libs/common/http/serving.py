"""Run one application until it is told to stop; drain; give an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop
from aiohttp import web

from libs.common.ending import end_task
from libs.common.errors import ConfigurationError
from libs.common.keys import DRAINING, FATAL, RUNNING
from libs.common.memory import give_back_memory, spare_the_collector
from libs.common.scheduling import wait_for_turns
from libs.common.security.tls import SERVER_TLS
from libs.common.settings.http import HttpSettings
from libs.common.settings.loading import load_settings
from libs.common.settings.service import ServiceSettings
from libs.common.telemetry.logs import configure_logging

log = logging.getLogger(__name__)
LATE_SECONDS = 1.0
"""What requests that did not end in time get on top."""
LINE_BYTES = 16 << 10
"""Of a line of a request's head, as the gateway takes it: 250 UIDs in a search. aiohttp takes half of it."""
SWITCH_SECONDS = 0.0005
"""After so long the interpreter is asked for by a thread that waits for it."""
YOUNG_OBJECTS = 10_000
"""How many new containers the collector lets come together before it looks at them (CPython's own: 700)."""
S = TypeVar("S", bound=ServiceSettings)


def bind(host: str, port: int, prefix: str = "") -> socket.socket:
    """Take the address before anything else is started; `prefix` is that of the settings' names.

    Raises ConfigurationError in one sentence.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, proto)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(1024)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"Port {port} on {host} is in use: stop the program that has it, or set {prefix}PORT to a "
                "free one."
            ) from error
        raise ConfigurationError(
            f"Cannot listen on {host} port {port} ({error.strerror or error}): set {prefix}HOST and "
            f"{prefix}PORT."
        ) from error
    return listener


@contextlib.asynccontextmanager
async def stop_signals() -> AsyncIterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set; the default behaviour returns after the block."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def serve(
    app: web.Application,
    listener: socket.socket,
    settings: HttpSettings,
    on_ready: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Serve on `listener` until a signal or a dead background task; then drain. Returns the exit code."""
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=LATE_SECONDS,
        # aiohttp counts it from the start of a connection, and parts of headers do not begin it anew.
        keepalive_timeout=settings.connection_idle_timeout,
        max_line_size=LINE_BYTES,
        max_field_size=LINE_BYTES,
    )
    async with stop_signals() as stop:
        memory = asyncio.create_task(give_back_memory(), name="memory")
        try:
            await runner.setup()
            spare_the_collector(YOUNG_OBJECTS)
            share_the_interpreter()
            # The kernel's count, so that it holds for each answer, and connections inherit it.
            stalled = max(int(settings.connection_stall_timeout * 1000), 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, stalled)
            await web.SockSite(runner, listener, ssl_context=app.get(SERVER_TLS)).start()
            await _until_stopped(stop, app[FATAL], on_ready)
            log.info("stopping: running work gets %g s", settings.shutdown_timeout)
            await _drain(app, runner, settings.shutdown_timeout)
        finally:
            app[DRAINING].set()
            await end_task(memory)
            await runner.cleanup()
            listener.close()
    return 1 if app[FATAL].done() else 0


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run `main` to its end on uvloop, which takes a tenth off the CPU time of a file (ADR 0041)."""
    wait_for_turns()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def share_the_interpreter() -> None:
    """Let a thread that has written or hashed have the interpreter back sooner than after Python's 5 ms."""
    sys.setswitchinterval(SWITCH_SECONDS)


async def _drain(app: web.Application, runner: web.AppRunner, timeout: float) -> None:
    """Take no new connections; let running requests end, uploads above all.

    aiohttp's own shutdown throws away what still arrives, so that an upload could never end.
    """
    app[DRAINING].set()
    for site in list(runner.sites):
        await site.stop()
    try:
        async with asyncio.timeout(timeout):
            await app[RUNNING].ended()
    except TimeoutError:
        log.warning("requests cut off: not ended within %g s", timeout)


async def _until_stopped(
    stop: asyncio.Event, fatal: asyncio.Future[str], on_ready: Callable[[], Awaitable[None]] | None
) -> None:
    """Return at `stop` or `fatal`, also while `on_ready` still runs. Raises what `on_ready` raises."""

    async def stay() -> None:
        if on_ready is not None:
            await on_ready()
        await stop.wait()

    staying, waiting = asyncio.create_task(stay()), asyncio.create_task(stop.wait())
    ends: list[asyncio.Future[Any]] = [staying, waiting, fatal]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    staying.cancel()
    await asyncio.wait([staying])
    if not staying.cancelled():
        staying.result()


def run(settings_model: type[S], create: Callable[[S], web.Application]) -> int:
    """The body of a service's `__main__`: settings, application, exit code."""
    try:
        settings = load_settings(settings_model, serves=True)
        configure_logging(settings)
        listener = bind(settings.host, settings.port)

        async def main() -> int:
            return await serve(create(settings), listener, settings)

        return run_loop(main())
    except ConfigurationError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
