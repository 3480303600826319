"""The folder of one gateway in the data directory, and who may use it."""

from contextlib import AbstractContextManager
from pathlib import Path

from services.config import Settings
from services.domain.ids import check_id
from services.files import hold_lock


def gateway_home(settings: Settings) -> Path:
    """The gateway's folder, made if need be; raises Invalid when the gateway id is not an id."""
    home = settings.data_dir.resolve() / "gateway" / check_id("gateway id", settings.gateway.id)
    home.mkdir(parents=True, exist_ok=True)
    return home


def hold_home(home: Path) -> AbstractContextManager[None]:
    """Be the one agent of this gateway for the block; raises Conflict when another is."""
    return hold_lock(
        home / "lock",
        lambda holder: (
            f"cannot start an agent for gateway {home.name!r}: process {holder} is its agent; "
            "stop that one, or choose another INTERLOCK_GATEWAY__ID"
        ),
    )
