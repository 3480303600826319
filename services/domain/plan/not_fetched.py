"""Names the parts of a repository that are not in its source: submodules, and files of Git LFS."""

import re
from collections.abc import Iterable

from services.domain.plan.files import SourceFiles

_SUBMODULE_PATH = re.compile(r"^\s*path\s*=\s*\"?(?P<path>[^\"\n]+?)\"?\s*$", re.MULTILINE)
_MAX_NAMED = 3


def not_fetched(files: SourceFiles) -> tuple[str, ...]:
    """Warnings that name the submodules without files, and the files of which only the pointer of Git LFS is there."""
    return (*_submodules(files), *_pointers(files))


def _submodules(files: SourceFiles) -> Iterable[str]:
    paths = [match["path"].strip("/") for match in _SUBMODULE_PATH.finditer(files.text(".gitmodules"))]
    if missing := [path for path in paths if not files.has_folder(path)]:
        yield f"git submodules are not fetched, and their folders are empty: {_some(missing)}"


def _pointers(files: SourceFiles) -> Iterable[str]:
    if files.lfs_pointers:
        yield (
            f"files of Git LFS are not fetched, and the source has only their pointers, such as {files.lfs_pointers[0]}"
        )


def _some(names: list[str]) -> str:
    rest = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")
