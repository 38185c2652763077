"""What a simulation must not show."""

from collections.abc import Iterable, Iterator
from typing import Final

from tests.simulation.fleet import Fleet, Rules

# Seeds of the ordinary suite; the full profile has a hundred times as many.
FEW: Final = 200


def broken(fleet: Fleet) -> list[str]:
    """The promises that a simulation broke."""
    wrong = list(fleet.wrong)
    wrong += [f"{len(fleet.provider.violations)} calls against the pace"] * bool(fleet.provider.violations)
    for one in fleet.operations:
        effects = fleet.effects(one)
        most = 1 + one.unknowns if one.policy == "resend" else 1
        if not one.outcome:
            wrong.append(f"operation {one.number} has no outcome")
        if effects > most:
            wrong.append(
                f"operation {one.number} ({one.policy}) took effect {effects} times, {most} at most are allowed"
            )
        if one.outcome == "accepted" and not effects:
            wrong.append(f"operation {one.number} is accepted and never took effect")
        if one.outcome in ("rejected", "dead") and effects and not one.unknowns:
            wrong.append(f"operation {one.number} is {one.outcome} and took effect")
        if one.attempts > 8:
            wrong.append(f"operation {one.number} spent {one.attempts} attempts")
    return wrong


def judged(seeds: Iterable[int], rules: Rules | None = None) -> Iterator[tuple[int, list[str]]]:
    """The seeds whose simulations broke a promise, each with what was broken."""
    for seed in seeds:
        if wrong := broken(Fleet(seed, rules).run()):
            yield seed, wrong
