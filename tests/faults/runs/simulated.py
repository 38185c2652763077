"""F2: fleets on paper, very many of them, each decided by its seed."""

from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.simulation.judge import judged

_MOST_TOLD = 5


def simulated(profile: Profile, seed: int) -> Result:
    """F2: late, lost and sleeping workers, every way of counting and every answer, on a clock of their own."""
    first = seed * profile.simulations
    seeds = range(first, first + profile.simulations)
    found = list(judged(seeds))
    failures = tuple(f"seed {one}: {'; '.join(wrong)}" for one, wrong in found[:_MOST_TOLD])
    return Result("F2", "simulated fleets", f"{len(seeds)} seeds", failures=failures)
