"""Record the steps of an operation in the database. Implements `services.durable.saga.StepLog`."""

from services.db.engine import Database
from services.db.steps import begin_step, end_step


class DatabaseStepLog:
    """Records the steps of one operation on one deployment."""

    def __init__(self, database: Database, *, operation_id: str, operation: str, deployment_id: str) -> None:
        self._database = database
        self._operation_id = operation_id
        self._operation = operation
        self._deployment_id = deployment_id

    async def begin(self, name: str) -> None:
        """Record the start of a step, and the end of those still open."""
        async with self._database.write() as session:
            await begin_step(
                session,
                operation_id=self._operation_id,
                operation=self._operation,
                deployment_id=self._deployment_id,
                name=name,
            )

    async def end(self, name: str, error: str | None) -> None:
        """Record the end of a step."""
        async with self._database.write() as session:
            await end_step(session, operation_id=self._operation_id, name=name, error=error)
