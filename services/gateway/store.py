"""The last published route table on disk, which a new agent serves while the database is unavailable."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from services.domain.errors import Invalid
from services.domain.routes import RouteTable
from services.files import write_atomically
from services.gateway.snapshot import take_snapshot
from services.telemetry import get_logger

log = get_logger(__name__)

_ROUTE_TABLE = TypeAdapter(RouteTable)


class SnapshotStore:
    """Stores the route table in one file. The file is only a copy; the database is the source of truth."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> RouteTable | None:
        """Return the saved table; None if there is none, or it is not usable."""
        try:
            table = _ROUTE_TABLE.validate_json(self._path.read_bytes())
            take_snapshot(table)
        except FileNotFoundError:
            return None
        except (OSError, ValidationError, Invalid) as error:
            log.warning("saved snapshot not usable; waiting for the database", path=str(self._path), error=str(error))
            return None
        return table

    def save(self, table: RouteTable) -> None:
        """Replace the saved table. Logs a write error, such as a full disk, and goes on."""
        try:
            write_atomically(self._path, _ROUTE_TABLE.dump_json(table))
        except OSError as error:
            log.error("snapshot not saved", path=str(self._path), revision=table.revision, error=str(error))
