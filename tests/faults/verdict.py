"""The row of a run that has come to its end: drained, looked at, and judged by the promises that hold for every fault."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from tests.faults.fleet import Fleet
from tests.faults.invariants import idle, left_over, shown
from tests.faults.result import Result
from tests.faults.world import World

_MOST_TOLD: Final = 5
_MOST_CHARACTERS: Final = 2000
EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


def judged(
    built: World,
    fleet: Fleet | None,
    fault: str,
    what: str,
    size: str,
    recovery_s: float | None = None,
    *,
    most_s: float | None = None,
    paced: bool = True,
    alone: bool = False,
    more: tuple[str, ...] = (),
    figures: Mapping[str, Any] = EMPTY,
) -> Result:
    """Drain the run and say what became of its messages.

    Args:
        built: the run.
        fleet: its workers; what ended by themselves is told.
        fault: as in the specification.
        what: in words.
        size: in words.
        recovery_s: the longest time until calls came again.
        most_s: what it may be at most.
        paced: whether calls against the pace fail it.
        alone: whether each worker is asked to send while the others stand still.
        more: further sentences that fail it.
        figures: told in the row.
    """
    told = dict(figures)
    drained = built.drain()
    stuck = "" if drained else _whereabouts(built, built.unsettled()[:1])
    unwell = idle(built, fleet) if alone and fleet else []
    if drained and not built.drain():
        drained, stuck = False, _whereabouts(built, built.unsettled()[:1])
    built.rest()
    found = built.judged()
    _, unaccounted = built.outcomes()
    violations = built.violations()
    if fleet is not None and fleet.ended_by_themselves:
        told["workers ended by themselves"] = fleet.ended_by_themselves
    if found.dead:
        told["dead"] = len(found.dead)
    if found.extras:
        told["repeated by policy"] = found.extras
    if built.failed_sends:
        told["send() refused"] = built.failed_sends
        told["slowest send() s"] = built.slowest_send_s
    conditions = {
        f"{len(found.lost)} lost, such as {found.lost[:1]} {_whereabouts(built, found.lost[:1])}": not found.lost,
        f"{len(found.doubled)} doubled, such as {found.doubled[:1]}": not found.doubled,
        f"some have no outcome, and nothing more comes: {stuck}": drained,
        f"{len(found.disordered)} pairs out of order": not found.disordered,
        f"the books do not account for {unaccounted}": not unaccounted,
        f"{violations} calls against the pace": not (paced and violations),
        f"send() took {built.slowest_send_s:.1f} s": built.slowest_send_s <= 3.0,
    }
    if fleet:
        unwell += shown(built, fleet) + left_over(built, fleet)
    unwell += built.watch.wrong()
    if recovery_s is not None and most_s is not None:
        conditions[f"recovery took {recovery_s:.1f} s, {most_s:g} s are allowed"] = recovery_s <= most_s
    failures = tuple(sentence for sentence, holds in conditions.items() if not holds)
    return Result(
        fault,
        what,
        size,
        messages=len(built.sent),
        lost=len(found.lost),
        doubled=len(found.doubled),
        violations=violations,
        unresolved=len(found.unresolved),
        recovery_s=recovery_s,
        figures=told,
        failures=(*failures, *unwell[:_MOST_TOLD], *more),
    )


def _whereabouts(built: World, texts: Sequence[str]) -> str:
    """What state knows of an operation, and of all that may make it move."""
    told = []
    for one in built.sent:
        if one.text in texts:
            root = built.client.root
            told.append(
                {
                    "operation": built.client.hgetall(f"{root}:o:{one.id}"),
                    "lease": built.client.zscore(f"{root}:fl", one.id),
                    "due": built.client.zrange(f"{root}:due", 0, -1, withscores=True),
                    "timers": built.client.zrange(f"{root}:timers", 0, -1, withscores=True),
                    "fleet": built.state.fleet(),
                    "accounts": [found.account for name in built.accounts if (found := built.state.account(name))],
                    "server time": built.client.time(),
                }
            )
    return str(told)[:_MOST_CHARACTERS]
