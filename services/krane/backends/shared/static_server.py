"""Serves a folder of files. The Python of an image runs this file, without our packages: standard library only.

    python static_server.py FOLDER [--single-page]

Answers a folder with its index.html, and a missing path with 404.html if it exists; for a single page, any path that is
not a file with index.html. Never leaves the folder, and never lists one.
"""

import os
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

INDEX = "index.html"
NOT_FOUND = "404.html"


class Handler(SimpleHTTPRequestHandler):
    """Answers GET and HEAD with files."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, root: Path, is_single_page: bool) -> None:
        self._root = root
        self._is_single_page = is_single_page
        super().__init__(*args, directory=str(root))

    def send_head(self) -> Any:
        """Answer with a page if the wanted file does not exist."""
        wanted = Path(self.translate_path(self.path))
        is_inside = wanted.resolve().is_relative_to(self._root)
        if is_inside and (wanted.is_file() or (wanted / INDEX).is_file()):
            return super().send_head()
        # A path with an ending is a missing file, not a page.
        if self._is_single_page and not wanted.suffix:
            return self._send_page(INDEX, HTTPStatus.OK)
        return self._send_page(NOT_FOUND, HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Make caches revalidate: the next deployment may have another file of the same name."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def _send_page(self, name: str, status: HTTPStatus) -> BinaryIO | None:
        page = self._root / name
        if not page.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        content = page.open("rb")
        self.send_response(status)
        self.send_header("Content-Type", self.guess_type(str(page)))
        self.send_header("Content-Length", str(os.fstat(content.fileno()).st_size))
        self.end_headers()
        return content


def main(folder: str, *options: str) -> None:
    """Serve forever."""
    handler = partial(Handler, root=Path(folder).resolve(), is_single_page="--single-page" in options)
    ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
