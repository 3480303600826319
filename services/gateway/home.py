"""The folder of one gateway in the data directory, and its lock."""

from contextlib import AbstractContextManager
from pathlib import Path

from services.config import Settings
from services.domain.ids import check_id
from services.files import hold_lock


def gateway_home(settings: Settings) -> Path:
    """Return the gateway's folder, creating it if needed; raises Invalid for a malformed gateway id."""
    home = settings.data_dir.resolve() / "gateway" / check_id("gateway id", settings.gateway.id)
    home.mkdir(parents=True, exist_ok=True)
    return home


def hold_home(home: Path) -> AbstractContextManager[None]:
    """Lock the gateway's folder for the block; raises Conflict if another agent holds it."""
    return hold_lock(
        home / "lock",
        lambda holder: (
            f"cannot start an agent for gateway {home.name!r}: process {holder} is its agent; "
            "stop that process, or choose another INTERLOCK_GATEWAY__ID"
        ),
    )
