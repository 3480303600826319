"""Compiles Python files that have no compiled code. The Python of an image runs this file: standard library only.

python compile_missing.py FOLDER...
"""

import os
import py_compile
import sys
from importlib.util import cache_from_source
from pathlib import Path


def main(folders: list[str]) -> None:
    """Compile every such file in the folders. A file that cannot be compiled is left alone."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for folder in folders:
        for parent, below, names in os.walk(folder):
            below[:] = [name for name in below if name != "node_modules"]
            for path in (Path(parent, name) for name in names if name.endswith(".py")):
                if not Path(cache_from_source(str(path))).exists():
                    py_compile.compile(str(path), quiet=2, invalidation_mode=mode)


if __name__ == "__main__":
    main(sys.argv[1:])
