"""A minimal app: it answers with its version, has a health check, and serves an OpenAPI document.

It listens at HOST and PORT, and ends on SIGTERM.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

VERSION = Path(__file__).with_name("VERSION").read_text().strip()
INSTANCE = os.environ.get("INTERLOCK_INSTANCE_ID", "local")

OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "hello-python", "version": VERSION},
    "paths": {
        "/": {"get": {"summary": "Say hello", "responses": {"200": {"description": "A greeting with the version"}}}},
        "/healthz": {"get": {"summary": "Check health", "responses": {"200": {"description": "The app is healthy"}}}},
    },
}
ANSWERS = {
    "/": {"message": "Hello from interlock", "version": VERSION, "instance": INSTANCE},
    "/healthz": {"status": "ok"},
    "/openapi.json": OPENAPI,
}


class Hello(BaseHTTPRequestHandler):
    """Answers GET with JSON."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a known path, or 404."""
        answer = ANSWERS.get(self.path.partition("?")[0])
        body = json.dumps(answer or {"error": "not found"}).encode() + b"\n"
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print requests, except the many health checks."""
        if self.path != "/healthz":
            print(format % args, flush=True)


def main() -> None:
    """Serve until SIGTERM."""
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080")))
    server = ThreadingHTTPServer(address, Hello)
    # shutdown() waits for the loop to end, so the thread that runs the loop cannot call it.
    signal.signal(signal.SIGTERM, lambda *_: Thread(target=server.shutdown).start())
    print(f"version {VERSION} listens on http://{address[0]}:{address[1]}", flush=True)
    server.serve_forever(poll_interval=0.05)
    sys.exit(0)


if __name__ == "__main__":
    main()
