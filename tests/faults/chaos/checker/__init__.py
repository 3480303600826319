"""Says which promises a recorded history breaks. Pure: a history in, violations out.

I1 a hostname answers from exactly the deployment that the database names, once the gateways have acknowledged it
I2 hostnames that move together agree in every read, and revisions never go back
I3 no request fails, except while Envoy or the app itself is down
I4 one deployment for each idempotency key, and as many app processes as replicas
I5 every deployment ends, and every operation is answered
I6 krane has what the database says that runs, and nothing else
I7 what was cancelled before it was live does not become live
I9 while a project is rolled back, only a promote or a rollback moves live
live: the live pointer of a project is linearizable, and enough is known to tell
"""

from tests.faults.chaos.checker.answers import check_answers
from tests.faults.chaos.checker.deployments import check_cancels, check_keys, check_ledger, check_rest
from tests.faults.chaos.checker.linearizable import check_live
from tests.faults.chaos.checker.probes import check_probes
from tests.faults.chaos.checker.routes import check_snapshots
from tests.faults.chaos.checker.violation import Violation
from tests.faults.chaos.history import History

__all__ = ["Violation", "check"]


def check(history: History) -> list[Violation]:
    """All violations that the history shows."""
    checks = (
        *(check_snapshots, check_probes, check_answers, check_keys, check_cancels),
        *(check_ledger, check_rest, check_live),
    )
    return [violation for look in checks for violation in look(history)]
