"""An app that behaves as badly as its deployment id or a request asks for."""

# ruff: noqa: T201

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

BEHAVIOUR = os.environ["INTERLOCK_DEPLOYMENT_ID"].partition("-")[0]
health = {"status": {"sick": 500, "moved": 302}.get(BEHAVIOUR, 200)}
ballast = []


def leave_descendants():
    """Start one process in a session of its own, and one that lost its parent, its session and its descriptors."""
    subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(3600)"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 100)
            time.sleep(3600)
        os._exit(0)
    os.wait()


def leak():
    ballast.extend(b"x" * (8 << 20) for _ in range(60))
    time.sleep(60)


def append(query):
    path = Path(query["file"])
    with path.open("a") as file:
        file.write("x")
    return path.read_bytes()


def context(query):
    return json.dumps({"environment": dict(os.environ), "folder": str(Path.cwd())}).encode()


ANSWERS = {"/append": append, "/context": context}
TROUBLES = {"/exit": lambda query: os._exit(int(query["code"])), "/leak": lambda query: leak()}


def leave_it_to_a_worker():
    """Fork a worker that serves; the parent lets it finish its requests before it ends it."""
    worker = os.fork()
    if worker == 0:
        return

    def end_worker(number, frame):
        print("parent: asked to end")
        time.sleep(1)
        os.kill(worker, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end_worker)
    os.waitpid(worker, 0)
    sys.exit(0)


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A prober that went away is no news for the log."""


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/healthz":
            self.answer(health["status"], b"")
            if BEHAVIOUR == "brief":
                os._exit(5)
        elif url.path == "/feel":
            health["status"] = int(query["status"])
            self.answer(200, b"")
        elif url.path == "/descend":
            leave_descendants()
            self.answer(200, b"")
        elif url.path in TROUBLES:
            TROUBLES[url.path](query)
        elif url.path == "/print":
            for number in range(int(query["lines"])):
                print(f"line {number} {'.' * 200}")
            self.answer(200, b"")
        elif url.path == "/slow":
            print("slow request began")
            time.sleep(0.5)
            self.answer(200, b"done")
        elif url.path in ANSWERS:
            self.answer(200, ANSWERS[url.path](query))

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


if BEHAVIOUR == "exits":
    sys.exit("no configuration")
if BEHAVIOUR == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if BEHAVIOUR == "prefork":
    leave_it_to_a_worker()
if BEHAVIOUR == "silent":
    time.sleep(3600)
if BEHAVIOUR == "late":
    time.sleep(0.3)
    sys.exit(4)
if BEHAVIOUR == "bloated":
    leak()
if BEHAVIOUR == "slow":
    time.sleep(1)
print("arguments", *sys.argv[1:])
Server((os.environ.get("HOST", ""), int(os.environ["PORT"])), App).serve_forever()
