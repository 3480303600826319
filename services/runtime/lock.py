"""Allow one `interlock up` per data directory."""

from contextlib import AbstractContextManager
from pathlib import Path

from services.files import hold_lock


def hold_data_dir(data_dir: Path) -> AbstractContextManager[None]:
    """Lock the data directory for the block; raises Conflict if another `interlock up` holds it."""
    return hold_lock(
        data_dir / "up.lock",
        lambda holder: (
            f"{data_dir} is in use by another `interlock up` (pid {holder}); stop it, or choose another --data-dir"
        ),
    )
