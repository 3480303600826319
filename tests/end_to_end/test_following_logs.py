"""`interlock logs -f`, from before the build until the deployment is gone, while krane and ctrl are killed."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.end_to_end.stack import INTERLOCK, Project, Stack, eventually

# Replays change nothing about logs.
pytestmark = pytest.mark.parametrize("stack", ["normal"], indirect=True)

PRINTER = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/healthz":
            print("asked for", self.path, flush=True)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

print("begun", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Follower:
    """A running `interlock logs -f -o json`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[dict[str, str]] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(json.loads(line) for line in self.process.stdout)

    def texts(self, *, build: bool) -> list[str]:
        return [line["text"] for line in self.lines if (line["instance_id"] == "") == build]

    async def sees(self, text: str) -> None:
        async def look() -> bool:
            return any(line["text"].startswith(text) for line in self.lines)

        await eventually(look, f"the line {text!r}", timeout=60)

    def ended(self) -> tuple[int, str]:
        """The exit code, and what came on stderr."""
        code = self.process.wait(30)
        self._reading.join(10)
        assert self.process.stderr is not None
        return code, self.process.stderr.read()


@contextmanager
def following(stack: Stack, deployment_id: str) -> Iterator[Follower]:
    argv = [str(INTERLOCK), "--ready-file", str(stack.ready_file), "logs", deployment_id, "-f", "--build", "-o", "json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Follower(process)
        finally:
            process.kill()


async def test_no_line_is_lost_or_comes_twice_while_krane_and_ctrl_are_killed(project: Project) -> None:
    source = await project.source("printer", files={"app.py": PRINTER})
    created = await project.create("printer", source=source)
    with following(project.stack, created.id) as follower:
        await follower.sees("begun")
        address = (await project.ended(created.id)).instances[0].address

        async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as app:
            for number, part in enumerate(["krane", "ctrl"]):
                await app.get(f"/{number}/before")
                await follower.sees(f"asked for /{number}/before")
                old = project.stack.kill(part)
                await app.get(f"/{number}/meanwhile")
                await project.stack.restarted(part, old)
                await app.get(f"/{number}/after")
                await follower.sees(f"asked for /{number}/after")
        expected = [f"asked for /{number}/{when}" for number in range(2) for when in ("before", "meanwhile", "after")]
        follower.process.send_signal(signal.SIGINT)

        code, remarks = follower.ended()
        assert (code, remarks.count("lost the connection to the log")) == (130, 2)
        # Whoever looks for its OpenAPI document asks as well.
        asked = [text for text in follower.texts(build=False) if text.startswith(("asked for /0/", "asked for /1/"))]
        assert asked == expected
        assert follower.texts(build=False)[0] == "begun"
        assert follower.texts(build=True)[0] == "unpacking the source"
        assert follower.texts(build=True)[-1].startswith("built ")
