"""Real git repositories for tests, and an HTTP server for them on loopback that can also misbehave."""

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from services.krane.types import HostCredential

USERNAME = "x-access-token"
TOKEN = "not-for-everybody-4713"
# Has characters with a special meaning in URLs, shells and git configurations.
PASSWORD = f"{TOKEN}/of@the:git#server%41'$(x)ü"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "t"), ("EMAIL", "t@t"))
    },
}


LOGIN = f"Basic {base64.b64encode(f'{USERNAME}:{PASSWORD}'.encode()).decode()}"


class Repository:
    """A repository with a branch `main`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        """Its file:// URL."""
        return f"file://{self.folder}"

    def git(self, *arguments: str) -> str:
        """Run git in the repository and return its output."""
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()

    def commit(self, files: Mapping[str, str | bytes], message: str = "a change") -> str:
        """Write files and commit all changes; returns the commit id."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")


def tells_password(content: bytes) -> bool:
    """Return whether `content` holds the password, plain or encoded."""
    return TOKEN.encode() in content or LOGIN.removeprefix("Basic ").encode() in content


class _Handler(BaseHTTPRequestHandler):
    """Serves repositories. /moved/… redirects, /private/… needs the login, /silent/… never answers."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])))

    def _answer(self, body: bytes) -> None:
        if authorization := self.headers.get("authorization"):
            self._git_server.authorizations.append(authorization)
        match self.path.split("/")[1]:
            case "moved":
                self._refuse(301, "location", self.path.removeprefix("/moved"))
            case "private" if self.headers.get("authorization") != LOGIN:
                self._refuse(401, "www-authenticate", "Basic")
            case "private":
                self._serve(body, self.path.removeprefix("/private"))
            case "forbidden":
                self._refuse(403, "x-reason", "forbidden")
            case "silent":
                self._git_server.asked.set()
                self._git_server.closing.wait()
            case _:
                self._serve(body, self.path)

    @property
    def _git_server(self) -> "GitServer":
        assert isinstance(self.server, GitServer)
        return self.server

    def _refuse(self, status: int, header: str, value: str) -> None:
        self.send_response(status)
        self.send_header(header, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def _serve(self, body: bytes, path: str) -> None:
        path, _, query = path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": str(self._git_server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=ENVIRONMENT | variables, stdout=subprocess.PIPE, check=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


class GitServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, root: Path, certificate: Path | None) -> None:
        self.root = root
        # The authorization headers of all requests.
        self.authorizations: list[str] = []
        # Set when a client waits for /silent/….
        self.asked = threading.Event()
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)
        self._scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._scheme, self.socket = "https", context.wrap_socket(self.socket, server_side=True)

    @property
    def host(self) -> str:
        """Its host[:port], as credentials name it."""
        return f"localhost:{self.server_port}"

    @property
    def url(self) -> str:
        """The URL of the root."""
        return f"{self._scheme}://{self.host}"

    @property
    def credential(self) -> HostCredential:
        """The credential for /private."""
        return HostCredential(host=self.host, username=USERNAME, password=PASSWORD)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect, because they do not trust the certificate or were killed."""


def self_signed(folder: Path) -> Path:
    """Write a certificate for localhost and its key to one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "certificate.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return file


@contextmanager
def git_server(root: Path, certificate: Path | None = None) -> Generator[GitServer]:
    """Serve the repositories below a folder, over TLS if a certificate is given."""
    with GitServer(root, certificate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
