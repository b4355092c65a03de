"""A private RabbitMQ node: its own name, ports, folders, Erlang cookie and port mapper, ended with its owner.

The machine's own node, if one runs, is neither used nor disturbed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from tests.certificates import Files
from tests.ports import free_ports

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The server itself; the script in PATH changes to the system's user and data folder first."""

START_TIMEOUT = 120.0
CALL_TIMEOUT = 60.0

# Nobody waits in a busy loop on a machine that runs the tests too.
_ERLANG_FLAGS = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"

_CONFIGURATION = """
{listener}
disk_free_limit.absolute = 1MB
log.console = false
log.file.level = warning
"""

_PLAINTEXT = "listeners.tcp.1 = 127.0.0.1:{port}"
_TLS_ONLY = """
listeners.tcp = none
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
ssl_options.verify = verify_none
"""


class NodeError(RuntimeError):
    """RabbitMQ is missing, or did not start; the message says what to do."""


class RabbitMQNode:
    """One node on 127.0.0.1. Must be started from the main thread, whose end it does not survive."""

    def __init__(self, folder: Path, tls: Files | None = None) -> None:
        """`folder` is private and empty; everything of the node lies there. With `tls` it takes TLS only."""
        self._folder = folder
        self._tls = tls
        self._name = f"test{secrets.token_hex(4)}@localhost"
        self._cookie = secrets.token_hex(16)
        self.port, self._distribution_port, self._mapper_port = free_ports(3)
        self._mapper: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._server is not None
        return self._server.pid

    def url(self, vhost: str = "/") -> str:
        """AMQP URL of a virtual host."""
        scheme = "amqp" if self._tls is None else "amqps"
        return f"{scheme}://guest:guest@127.0.0.1:{self.port}/{quote(vhost, safe='')}"

    def start(self) -> None:
        """Start, or start again with the same data; return when the node takes connections."""
        self.launch()
        self.await_running()

    def await_running(self) -> None:
        """Wait until a launched node takes connections."""
        deadline = time.monotonic() + START_TIMEOUT
        while not self.is_running():
            if time.monotonic() > deadline:
                raise NodeError(f"RabbitMQ did not start in time:\n{self._log_end()}")
            time.sleep(0.05)

    @property
    def launched(self) -> bool:
        """Whether it was started and not ended since."""
        return self._server is not None

    def launch(self) -> None:
        """Begin to start; `is_running` says when it has."""
        _require_tools()
        self._prepare()
        environment = self._environment()
        if self._mapper is None:
            self._mapper = _child(
                ["epmd", "-address", "127.0.0.1", "-port", str(self._mapper_port)],
                environment,
                self._folder / "epmd.log",
            )
        self._server = _child([str(SERVER), "-noinput"], environment, self._folder / "server.log")

    def is_running(self) -> bool:
        """Whether it takes connections. Raises NodeError when the server has ended."""
        if self._server is None or self._server.poll() is not None:
            raise NodeError(f"RabbitMQ ended:\n{self._log_end()}")
        return self._erl_call("rabbit:is_running().").stdout == "{ok, true}"

    def kill(self) -> None:
        """End the node as a power cut would; its data stay for the next `start`."""
        if self._server is not None:
            _end(self._server)
            self._server = None

    def stop(self) -> None:
        """End the node as a container's engine does, when it has put its data in order."""
        if self._server is not None:
            self._server.send_signal(signal.SIGTERM)
            self._server.wait(START_TIMEOUT)
            self._server = None

    def close(self) -> None:
        """End everything that was started."""
        self.kill()
        if self._mapper is not None:
            _end(self._mapper)
            self._mapper = None

    def evaluate(self, expression: str) -> str:
        """Evaluate Erlang in the node and return the printed value; takes milliseconds, not a second."""
        done = self._erl_call(f"{expression}.")
        for _ in range(3):
            if "failed to connect" not in done.stderr:
                break
            # A busy machine: nothing was evaluated.
            done = self._erl_call(f"{expression}.")
        if done.returncode != 0 or not done.stdout.startswith("{ok, "):
            raise NodeError(f"{expression}: {done.stdout}{done.stderr}")
        return done.stdout.removeprefix("{ok, ").removesuffix("}")

    def add_vhost(self, name: str) -> None:
        """Create a virtual host for the user guest."""
        self.evaluate(
            f'ok = rabbit_vhost:add(<<"{name}">>, <<"tests">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>)'
        )

    def import_definitions(self, text: str) -> None:
        """As `rabbitmqctl import_definitions` does on a running node."""
        file = self._folder / "imported.json"
        file.write_text(text)
        self.evaluate(
            f'{{ok, Text}} = file:read_file("{file}"), '
            "ok = rabbit_definitions:import_parsed(rabbit_json:decode(Text))"
        )

    def delete_vhost(self, name: str) -> None:
        """Drop a virtual host with everything in it; its connections are closed."""
        self.evaluate(f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>)')

    def close_connections(self, vhost: str) -> None:
        """Close every client connection of a virtual host from the server's side."""
        self.evaluate(
            f"rabbit_connection_tracking:close_connections("
            f'rabbit_connection_tracking:list(<<"{vhost}">>), "closed by test", 0)'
        )

    def limit_length(self, vhost: str, queue: str, most: int) -> None:
        """Let a policy cap what waits in a quorum queue (regular expression); returns once it is in force."""
        definition = f'[{{<<"max-length">>, {most}}}]'
        capped = (
            "fun(Q) -> {ok, {_, Told}, _} = ra:local_query(amqqueue:get_pid(Q), fun rabbit_fifo:overview/1), "
            f"maps:get(max_length, maps:get(config, Told)) =:= {most} end"
        )
        queues = (
            f'[Q || Q <- rabbit_amqqueue:list(<<"{vhost}">>), '
            f're:run(element(4, amqqueue:get_name(Q)), <<"{queue}">>) =/= nomatch]'
        )
        self.evaluate(
            f'ok = rabbit_policy:set(<<"{vhost}">>, <<"cap">>, <<"{queue}">>, {definition}, 0, <<"queues">>, '
            '<<"tests">>), (fun Wait(0) -> error(policy); Wait(Left) -> '
            f"case lists:all({capped}, {queues}) of "
            "true -> ok; false -> timer:sleep(20), Wait(Left - 1) end end)(1000)"
        )

    def set_memory_alarm(self, on: bool) -> None:
        """Raise or clear the memory alarm, which stops the node from reading from publishers.

        Returns once it is in force: the monitor only casts it to the alarm's process, and the call behind it
        in that process's mailbox is answered after every connection was told.
        """
        self.evaluate(
            f"vm_memory_monitor:set_vm_memory_high_watermark({'0.00001' if on else '0.4'}), "
            f"(fun Wait(0) -> error(alarm); Wait(Left) -> case rabbit_alarm:get_alarms() of "
            f"[{'_ | _' if on else ''}] -> ok; _ -> timer:sleep(20), Wait(Left - 1) end end)(500)"
        )

    def _prepare(self) -> None:
        home = self._folder / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        cookie = home / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(self._cookie)
            cookie.chmod(0o400)
        (self._folder / "enabled_plugins").write_text("[].")
        (self._folder / "rabbitmq.conf").write_text(_CONFIGURATION.format(listener=self._listener()))

    def _listener(self) -> str:
        if self._tls is None:
            return _PLAINTEXT.format(port=self.port)
        return _TLS_ONLY.format(port=self.port, certificate=self._tls.certificate, key=self._tls.key)

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG_FLAGS,
            # The script then becomes the server instead of waiting beside it, and signals reach the server.
            "RABBITMQ_ALLOW_INPUT": "1",
        }

    def _log_end(self) -> str:
        return (self._folder / "server.log").read_text(errors="replace")[-3000:]

    def _erl_call(self, source: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["erl_call", "-sname", self._name, "-c", self._cookie, "-e"],
            input=f"{source}\n",
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=CALL_TIMEOUT,
        )


def _child(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that the kernel kills when this one dies, however that happens."""
    with log.open("ab") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def _require_tools() -> None:
    missing = [tool for tool in ("epmd", "erl_call", "setpriv") if shutil.which(tool) is None]
    if not SERVER.exists() or missing:
        raise NodeError(
            "The tests need RabbitMQ: `apt-get install rabbitmq-server` (as root), or set TEST_AMQP_URL."
        )
