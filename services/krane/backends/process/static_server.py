"""Serves a folder of files. Run as a file by the Python of an image, which has nothing of ours: the library alone.

    python static_server.py FOLDER [--single-page]

Answers with index.html of a folder, with 404.html where there is one, and, for a single page, with index.html for every
path that is no file. Never leaves the folder, and lists none.
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
        """Answer with a page in place of a file that is not there."""
        wanted = Path(self.translate_path(self.path))
        is_inside = wanted.resolve().is_relative_to(self._root)
        if is_inside and (wanted.is_file() or (wanted / INDEX).is_file()):
            return super().send_head()
        # What has an ending is a file that is missing, and no page.
        if self._is_single_page and not wanted.suffix:
            return self._send_page(INDEX, HTTPStatus.OK)
        return self._send_page(NOT_FOUND, HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Have caches ask again: a file of the same name may be another one after the next deployment."""
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
    """Serve until the end."""
    handler = partial(Handler, root=Path(folder).resolve(), is_single_page="--single-page" in options)
    ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
