"""Tells by its exit code whether commands may have mounts of their own. Run with `python -m` and a folder to try it in.

Root may, but not in a container without CAP_SYS_ADMIN, and not on a file system that overlayfs cannot write to.
"""

import os
import sys
from pathlib import Path

from services.krane.backends.supervision.shim import Mount, mount_all


def main(folder: Path) -> int:
    """Try it; returns the exit code."""
    (folder / "source").mkdir()
    target = str(folder / "source")
    try:
        mount_all([Mount(source=target, target=target, layer=str(folder / "layer"))])
        (folder / "source" / "file").touch()
    except OSError:
        return 1
    # Other users may not change a read-only folder, also not through a layer.
    return 0 if os.geteuid() == 0 else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
