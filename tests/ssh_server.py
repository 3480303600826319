"""A git server over ssh on loopback: OpenSSH's sshd, which accepts one key for the user who runs the tests."""

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.restate_server import free_port

# If root runs sshd, it needs this folder for its unprivileged process.
PRIVILEGE_SEPARATION = Path("/run/sshd")
START_SECONDS = 10.0


class SshServer:
    """One sshd. It serves all repositories of this machine to holders of the key."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.key = make_key(folder / "key")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "authorized_keys").write_text((folder / "key.pub").read_text())

    def url(self, repository: Path) -> str:
        """Return the ssh URL of a repository on this machine."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}"

    @contextmanager
    def serving(self, *, host_key: str = "host_key", speaks_protocol_2: bool = True) -> Generator[None]:
        """Serve for the block with a host key of that name. git's protocol 2 needs sshd to accept GIT_PROTOCOL."""
        key = self._folder / host_key
        config = {
            "ListenAddress": "127.0.0.1",
            "Port": str(self.port),
            "HostKey": str(key if key.exists() else make_key(key)),
            "AuthorizedKeysFile": str(self._folder / "authorized_keys"),
            # sshd's strict mode refuses keys in temporary folders.
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "UsePAM": "no",
            "PidFile": "none",
            "SetEnv": "GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null",
        }
        if speaks_protocol_2:
            config["AcceptEnv"] = "GIT_PROTOCOL"
        (self._folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in config.items()))
        self._start()
        try:
            yield
        finally:
            self._stop()

    def _start(self) -> None:
        if os.geteuid() == 0:
            PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        # sshd needs its full path, because it executes itself for each connection.
        argv = [sshd(), "-D", "-e", "-f", str(self._folder / "sshd_config")]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while b"Server listening on" not in self._log.read_bytes():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.01)

    def _stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)

    @property
    def _log(self) -> Path:
        return self._folder / "log"


def make_key(file: Path) -> Path:
    """Create a private key without a password, and its public key in a second file."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(file)], check=True)
    return file


def sshd() -> str:
    """Return the path of sshd; empty if it is not installed. It may be outside the PATH of users."""
    return shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin") or ""
