"""I5 for callers, and whether their answers say enough about the live pointer."""

from collections.abc import Iterator
from typing import Final

from tests.faults.chaos.checker.violation import Violation
from tests.faults.chaos.history import History, Outcome
from tests.faults.chaos.schedule import Act

# Of the operations that move live, so many may be unknown: what may or may not have happened explains anything.
MOST_UNKNOWN: Final = 0.25
# A few operations are no basis for a share.
FEWEST_MOVES: Final = 20


def check_answers(history: History) -> Iterator[Violation]:
    """Every operation is answered, and what moves live mostly with certainty."""
    for done in history.operations:
        if done.outcome is Outcome.UNANSWERED:
            message = f"{done.act} of project {done.project_id} was never answered: {done.detail}"
            yield Violation(promise="I5", message=message, evidence=(done,))
    moves = [
        done
        for done in history.operations
        if done.act in (Act.ROLLBACK, Act.PROMOTE) and done.outcome is not Outcome.NOTHING_TO_DO
    ]
    unknown = tuple(done for done in moves if done.outcome is Outcome.UNKNOWN)
    if len(moves) >= FEWEST_MOVES and len(unknown) > MOST_UNKNOWN * len(moves):
        message = f"{len(unknown)} of {len(moves)} operations that move live may or may not have happened"
        yield Violation(promise="live", message=message, evidence=unknown)
