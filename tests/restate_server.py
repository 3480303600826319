"""A real restate-server for tests, with its own ports on loopback and its own data."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

TOOLS = Path(__file__).resolve().parent.parent / "tools" / "node_modules" / "@restatedev"
START_DEADLINE = 30.0
STOP_DEADLINE = 10.0


def free_port() -> int:
    """Return a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RestateServer:
    """A server; call `start()` and `stop()`, or use it as a context manager.

    After `stop(keep_data=True)`, `start()` continues with the same data and ports. With an `inactivity_timeout` of
    zero, every wait of a handler suspends and replays it, which reveals handlers that replay differently.
    """

    def __init__(self, *, inactivity_timeout: timedelta | None = None) -> None:
        self.ingress_url = f"http://127.0.0.1:{free_port()}"
        self.admin_url = f"http://127.0.0.1:{free_port()}"
        self._node_address = f"127.0.0.1:{free_port()}"
        self._inactivity_timeout = inactivity_timeout
        self._data = Path(tempfile.mkdtemp(prefix="interlock-restate-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The server's process id while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until ingress and admin answer."""
        self._data.mkdir(exist_ok=True)
        with (self._data / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(_binary()), "--no-logo"], env=self._environment(), stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_DEADLINE
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log_tail = (self._data / "server.log").read_text(errors="replace")[-3000:]
                self.stop()
                raise RuntimeError(f"restate-server did not become healthy:\n{log_tail}")
            time.sleep(0.02)

    def stop(self, *, keep_data: bool = False) -> None:
        """Stop the server and remove its data."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if not keep_data:
            shutil.rmtree(self._data, ignore_errors=True)

    def _is_healthy(self) -> bool:
        try:
            return all(
                httpx.get(url, timeout=1, verify=False).is_success
                for url in (f"{self.admin_url}/health", f"{self.ingress_url}/restate/health")
            )
        except httpx.HTTPError:
            return False

    def _environment(self) -> dict[str, str]:
        environment = {
            "PATH": "/usr/bin:/bin",
            "DO_NOT_TRACK": "1",
            "RESTATE_BASE_DIR": str(self._data),
            "RESTATE_CLUSTER_NAME": "tests",
            "RESTATE_NODE_NAME": "n1",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_BIND_IP": "127.0.0.1",
            "RESTATE_BIND_ADDRESS": self._node_address,
            "RESTATE_ADVERTISED_ADDRESS": f"http://{self._node_address}",
            "RESTATE_INGRESS__BIND_ADDRESS": self.ingress_url.removeprefix("http://"),
            "RESTATE_ADMIN__BIND_ADDRESS": self.admin_url.removeprefix("http://"),
            "RESTATE_DEFAULT_NUM_PARTITIONS": "1",
            "RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE": "64 MB",
            # Tests need not survive a power cut; without fsync each step is about 0.6 ms faster.
            "RESTATE_LOG_SERVER__ROCKSDB_DISABLE_WAL_FSYNC": "true",
            "RESTATE_SHUTDOWN_TIMEOUT": "5s",
            "RESTATE_LOG_FILTER": "warn,octocrab=off,restate=info",
            "RESTATE_LOG_DISABLE_ANSI_CODES": "true",
        }
        if self._inactivity_timeout is not None:
            seconds = self._inactivity_timeout.total_seconds()
            environment["RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT"] = f"{seconds:g}s"
        return environment


def _binary() -> Path:
    found = sorted(TOOLS.glob("restate-server-*/bin/restate-server"))
    if not found:
        raise RuntimeError(f"no restate-server below {TOOLS}; run `make setup`")
    return found[0]
