"""The app that tests deploy: answers with its version, and misbehaves as the file BEHAVIOUR says.

ok · exit (at once, code 3) · silent (never listens) · astray (listens on a port of its own)
· unhealthy (500 on the health path) · broken (500 on /) · fickle (so after 3 s) · slow (starts after 3 s)
· redirect (its OpenAPI path redirects) · huge (serves 50 MB as OpenAPI) · drip (serves OpenAPI byte by byte)
· crash (healthy, then exits on GET /crash; all take 256 MB on GET /leak)
· late (exits after half a second, code 4) · brief (exits 2 s after it
listens, code 5) · greedy (takes 256 MB before it listens)
"""

import http.server
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
VERSION = (HERE / "VERSION").read_text().strip()
BEGAN = time.monotonic()
HELD: list[bytes] = []
BEHAVIOUR = (HERE / "BEHAVIOUR").read_text().strip()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/healthz":
            is_sick = BEHAVIOUR == "unhealthy" or (BEHAVIOUR == "fickle" and time.monotonic() > BEGAN + 3)
            self.answer(500 if is_sick else 200, b"no" if is_sick else b"ok")
        elif self.path == "/openapi.json":
            self.openapi()
        elif self.path == "/environment":
            self.answer(200, json.dumps(dict(os.environ)).encode(), "application/json")
        elif self.path == "/crash":
            os._exit(9)
        elif self.path == "/leak":
            HELD.append(b"x" * (256 << 20))
            time.sleep(60)
        elif BEHAVIOUR == "broken":
            self.answer(500, b"sorry")
        else:
            body = {"version": VERSION, "instance": os.environ["INTERLOCK_INSTANCE_ID"]}
            self.answer(200, json.dumps(body).encode(), "application/json")

    def openapi(self) -> None:
        if BEHAVIOUR == "redirect":
            self.send_response(302)
            self.send_header("location", "http://127.0.0.1:9070/")
            self.send_header("content-length", "0")
            self.end_headers()
        elif BEHAVIOUR == "huge":
            self.answer(200, b'{"openapi": "3.1.0", "x": "' + b"x" * 50_000_000 + b'"}', "application/json")
        elif BEHAVIOUR == "drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(600):
                self.wfile.write(b" ")
                time.sleep(0.1)
        elif (HERE / "openapi.json").exists():
            self.answer(200, (HERE / "openapi.json").read_bytes(), "application/json")
        else:
            document = {"openapi": "3.1.0", "info": {"title": "test", "version": VERSION}, "paths": {}}
            self.answer(200, json.dumps(document).encode(), "application/json")

    def answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


print(f"version {VERSION} behaves {BEHAVIOUR}", flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if BEHAVIOUR == "exit":
    print("cannot go on: DATABASE_URL is not set", flush=True)
    sys.exit(3)
if BEHAVIOUR == "silent":
    time.sleep(3600)
if BEHAVIOUR == "slow":
    time.sleep(3)
if BEHAVIOUR == "late":
    time.sleep(0.5)
    sys.exit(4)
if BEHAVIOUR == "greedy":
    taken = b"x" * (256 << 20)
if BEHAVIOUR == "brief":
    threading.Timer(2, os._exit, [5]).start()
address = os.environ.get("HOST", "127.0.0.1"), 0 if BEHAVIOUR == "astray" else int(os.environ["PORT"])
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
