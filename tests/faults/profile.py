"""How much of each fault a run has."""

from dataclasses import dataclass, replace
from typing import Final, Literal

Name = Literal["short", "full"]


@dataclass(frozen=True, slots=True)
class Profile:
    """Sizes of the faults.

    Args:
        name: ``short`` (at most five minutes, in CI) or ``full``.
        control: F0: messages and kills of the bare queue.
        kills: F1: messages and kills of workers.
        stops: F4: how often a worker stands still.
        server_kills: F5: kills of the state server with each policy of its append-only file.
        wipes: F7: how often the broker is emptied.
        reply_cuts: F8: cuts of the reply of each script.
        cuts: F9: messages and faults of the network.
        longest_hole_s: F9: seconds that the network swallows everything.
        ambiguous: F11: messages of each policy.
        outage_s: F12: seconds during which the provider refuses everything.
        jumps: F16: how often the state server's clock is set.
        terms: F17: workers that are asked to end.
        poisons: F19: operations that end their workers.
        overload_s: F22 to F25: seconds of each load.
        herd: F25: accounts that are released at once.
        crowd: F27: small accounts, and the backlog on the one beside them.
    """

    name: Name
    control: tuple[int, int]
    kills: tuple[int, int]
    stops: int
    server_kills: int
    wipes: int
    reply_cuts: int
    cuts: tuple[int, int]
    longest_hole_s: float
    ambiguous: int
    outage_s: float
    jumps: int
    terms: int
    poisons: int
    overload_s: float
    herd: int
    crowd: tuple[int, int]

    def scaled(self, percent: int) -> "Profile":
        """The same faults, so many percent as often.

        Args:
            percent: 1 to 100. Durations stay as they are.
        """

        def some(number: int) -> int:
            return max(1, number * percent // 100)

        return replace(
            self,
            control=(some(self.control[0]), some(self.control[1])),
            kills=(some(self.kills[0]), some(self.kills[1])),
            stops=some(self.stops),
            server_kills=some(self.server_kills),
            wipes=some(self.wipes),
            reply_cuts=some(self.reply_cuts),
            cuts=(some(self.cuts[0]), some(self.cuts[1])),
            ambiguous=some(self.ambiguous),
            jumps=some(self.jumps),
            terms=some(self.terms),
            poisons=some(self.poisons),
            herd=some(self.herd),
            crowd=(some(self.crowd[0]), some(self.crowd[1])),
        )


SHORT: Final = Profile(
    name="short",
    control=(300, 4),
    kills=(400, 8),
    stops=1,
    server_kills=2,
    wipes=1,
    reply_cuts=3,
    cuts=(400, 12),
    longest_hole_s=2.0,
    ambiguous=60,
    outage_s=10.0,
    jumps=2,
    terms=2,
    poisons=1,
    overload_s=5.0,
    herd=200,
    crowd=(20, 5000),
)
FULL: Final = Profile(
    name="full",
    control=(5000, 40),
    kills=(10_000, 300),
    stops=20,
    server_kills=30,
    wipes=10,
    reply_cuts=20,
    cuts=(5000, 500),
    longest_hole_s=20.0,
    ambiguous=2000,
    outage_s=300.0,
    jumps=20,
    terms=100,
    poisons=20,
    overload_s=30.0,
    herd=10_000,
    crowd=(1000, 1_000_000),
)
PROFILES: Final = {profile.name: profile for profile in (SHORT, FULL)}
