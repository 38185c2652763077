"""Which worker gets a granted operation: the granter's own engine its share at once, the others theirs through Celery."""

from collections.abc import Sequence
from typing import Final

from paceline_worker.state.values import Hint

# A batch costs a message of the broker, a call that begins and one that settles. Fewer operations than these would spread the
# load no better: with batches of two, ten workers that shared 50 operations a second cost the state server 1.2 times the commands
# of one. A worker takes a batch whole and has four messages at hand: with batches of a hundred, hints lay in workers that were late
# until their leases ran out.
_FULL_HINT: Final = 25


def shares(
    hints: Sequence[Hint], *, own: int, in_flight: int, workers: int, few: int, intake: int
) -> tuple[Sequence[Hint], list[Sequence[Hint]]]:
    """Divide granted operations.

    The hop through the broker costs a message, and over a long way most of the time until the call. So the worker that granted
    keeps what brings it to an equal share of all that is in flight, within its intake; alone it keeps everything.

    Args:
        hints: granted operations, the earliest first.
        own: operations that this worker has.
        in_flight: operations in flight in the whole fleet, these included.
        workers: how many workers live, this one included.
        few: operations that this worker keeps before it shares (`Admission.few`).
        intake: operations that this worker takes on; the others see to theirs.

    Returns:
        What this worker sends, and batches for any worker.
    """
    if workers <= 1:
        return hints, []
    fair = min(intake, max(few, -(-in_flight // workers)))
    here = max(0, min(len(hints), fair - own))
    others = hints[here:]
    batches = max(1, -(-len(others) // _FULL_HINT))
    size = max(1, -(-len(others) // batches))
    return hints[:here], [others[start : start + size] for start in range(0, len(others), size)]
