"""Which changes of an operation are legal, seen from outside at two moments. Pure."""

from dataclasses import dataclass
from typing import Final

# Letters of the state: it waits, is granted, is being sent, or is settled.
SETTLED: Final = "d"
_OPEN: Final = frozenset("wgs")


@dataclass(frozen=True, slots=True)
class Seen:
    """An operation at one moment.

    Args:
        state: its letter; empty when there is no record.
        outcome: empty until it is settled.
        token: the fencing token of its last grant.
        attempts: calls that failed for a reason that may pass.
        lost: workers that were lost in the middle of its call.
    """

    state: str
    outcome: str = ""
    token: int = 0
    attempts: int = 0
    lost: int = 0


def illegal(before: Seen, after: Seen) -> str:
    """Why an operation cannot have become what it is; empty when it can.

    Between two looks it may have made any number of steps: it waits, is granted and sent again, until it is settled. An outcome
    stays, but for `held`: a late answer, a receipt or a person settles that one.

    Args:
        before: at the earlier look.
        after: at the later one.
    """
    if before.state and not after.state:
        return "its record is gone"
    if after.state not in _OPEN | {SETTLED, ""}:
        return f"state {after.state!r}"
    if (after.state == SETTLED) != bool(after.outcome):
        return f"state {after.state!r} with outcome {after.outcome!r}"
    if before.outcome and before.outcome not in ("held", after.outcome):
        return f"{before.outcome} became {after.outcome or after.state}"
    for name in ("token", "attempts", "lost"):
        if getattr(after, name) < getattr(before, name):
            return f"{name} went from {getattr(before, name)} to {getattr(after, name)}"
    return ""
