"""How much of each fault a run has."""

from dataclasses import dataclass, fields, replace
from typing import Final, Literal

Name = Literal["short", "full"]
# They say how long something lasts or how much waits, not how often something is done.
_AS_THEY_ARE: Final = ("name", "longest_hole_s", "outage_s", "overload_s", "shared_s", "turns")


@dataclass(frozen=True, slots=True)
class Profile:
    """Sizes of the faults.

    Args:
        name: ``short`` (at most five minutes, in CI) or ``full``.
        control: F0: messages and kills of the bare queue.
        simulations: F2: seeds.
        kills: F1: messages and kills of workers.
        stops: F4: how often a worker stands still.
        server_kills: F5: kills of the state server with each policy of its append-only file.
        wipes: F7: how often the broker is emptied.
        reply_cuts: F8: cuts of the reply of each script.
        cuts: F9: messages and faults of the network.
        longest_hole_s: F9: seconds that the network swallows everything.
        ambiguous: F11: messages of each policy.
        outage_s: F12: seconds during which the provider refuses everything.
        storms: F13: 429s of each form of Retry-After.
        refusals: F14: 401s, 402s and 403s, each so often.
        combinations: F15: ways of counting, limits and variations.
        jumps: F16: how often the state server's clock is set.
        terms: F17: workers that are asked to end.
        receipts: F18: messages whose receipts are lost, doubled, forged and out of order.
        poisons: F19: operations that end their workers.
        campaign: F20: rows beside a small account; F21: messages of two releases.
        overload_s: F22 to F25: seconds of each load.
        herd: F25: accounts that are released at once.
        crowd: F27: small accounts, and the backlog on the one beside them.
        shared_s: F28: seconds beside another Celery application.
        producers: F29: forks, servers that fork, and programs that end at once.
        intake: F35: rows of each campaign, and kills while they are taken in.
        turns: F22, F23, F27, F30: how often what is compared alternates.
    """

    name: Name
    control: tuple[int, int]
    simulations: int
    kills: tuple[int, int]
    stops: int
    server_kills: int
    wipes: int
    reply_cuts: int
    cuts: tuple[int, int]
    longest_hole_s: float
    ambiguous: int
    outage_s: float
    storms: int
    refusals: int
    combinations: int
    jumps: int
    terms: int
    receipts: int
    poisons: int
    campaign: tuple[int, int]
    overload_s: float
    herd: int
    crowd: tuple[int, int]
    shared_s: float
    producers: tuple[int, int, int]
    intake: tuple[int, int]
    turns: int

    def scaled(self, percent: int, parts: int = 1) -> "Profile":
        """The same faults, so many percent as often, or what one of several parts has of that.

        Args:
            percent: 1 to 100. Durations stay as they are.
            parts: how many runs share the work.
        """

        def some(number: int) -> int:
            return max(1, -(-number * percent // (100 * parts)))

        changed: dict[str, int | tuple[int, ...]] = {}
        for one in fields(self):
            size = getattr(self, one.name)
            if one.name not in _AS_THEY_ARE:
                changed[one.name] = tuple(map(some, size)) if isinstance(size, tuple) else some(size)
        return replace(self, **changed)  # type: ignore[arg-type]


SHORT: Final = Profile(
    name="short",
    control=(300, 4),
    simulations=200,
    kills=(400, 8),
    stops=1,
    server_kills=2,
    wipes=1,
    reply_cuts=3,
    cuts=(100, 10),
    longest_hole_s=2.0,
    ambiguous=60,
    outage_s=10.0,
    storms=1,
    refusals=1,
    combinations=15,
    jumps=2,
    terms=2,
    receipts=60,
    poisons=1,
    campaign=(20_000, 200),
    overload_s=5.0,
    herd=200,
    crowd=(20, 5000),
    shared_s=20.0,
    producers=(20, 3, 20),
    intake=(20_000, 5),
    turns=1,
)
FULL: Final = Profile(
    name="full",
    control=(5000, 40),
    simulations=20_000,
    kills=(10_000, 300),
    stops=60,
    server_kills=30,
    wipes=10,
    reply_cuts=20,
    cuts=(5000, 500),
    longest_hole_s=120.0,
    ambiguous=10_000,
    outage_s=300.0,
    storms=50,
    refusals=10,
    combinations=60,
    jumps=20,
    terms=100,
    receipts=5000,
    poisons=20,
    campaign=(1_000_000, 5000),
    overload_s=30.0,
    herd=10_000,
    crowd=(1000, 1_000_000),
    shared_s=600.0,
    producers=(200, 20, 1000),
    intake=(50_000, 100),
    turns=3,
)
PROFILES: Final = {profile.name: profile for profile in (SHORT, FULL)}
