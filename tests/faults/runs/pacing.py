"""F15: providers that count in every way that anybody does; a fleet keeps within each of them and uses nearly all of it."""

import time
from dataclasses import dataclass
from typing import Any, Final

from paceline_worker.pacing.bucket import Pacing
from tests.faults.fleet import Fleet
from tests.faults.invariants import while_loaded
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.world import TEXT_CANARY, World, key_of, world

# So much the way to the provider differs from call to call (ms), one of them in each part; J is that and the default's 100.
VARIATIONS_MS: Final = (100, 0, 500, 2000)
LATE_MS: Final = 100
LIMIT, COUNT, WINDOW_S = "20/10 seconds", 20, 10.0
PHASES: Final = 8
LANES: Final = 3
ROWS: Final = 200
WATCHED_S: Final = 40.0
# Of the formula, averaged over all ways of counting: a machine that others share is late now and then.
LEAST: Final = 0.9


@dataclass(frozen=True, slots=True)
class Counting:
    """One way of counting.

    Args:
        name: of the account.
        algorithm: as the sandbox names it.
        limits: all that the provider counts.
        phase_ms: where its fixed windows begin.
        pacing: what suits it.
    """

    name: str
    algorithm: str
    limits: tuple[str, ...] = (LIMIT,)
    phase_ms: int = 0
    pacing: Pacing = "spacing"

    def entry(self) -> dict[str, Any]:
        """The key's table in a scenario."""
        return {
            "key": key_of(self.name),
            "limits": list(self.limits),
            "algorithm": self.algorithm,
            "window_phase_ms": self.phase_ms,
        }

    def interval_s(self, variation_s: float) -> float:
        """Seconds between two calls, by the formula."""
        return (WINDOW_S + variation_s) / COUNT if self.pacing == "window" else WINDOW_S / COUNT + variation_s


ALL: Final = (
    Counting("sliding", "sliding_log", pacing="window"),
    *(Counting(f"fixed{n}", "fixed_window", phase_ms=round(n * WINDOW_S * 1000 / PHASES), pacing="window") for n in range(PHASES)),
    Counting("spaced", "spacing"),
    Counting("bucket", "bucket"),
    Counting("slidingspaced", "sliding_log"),
    Counting("fixedspaced", "fixed_window"),
    Counting("several", "sliding_log", limits=(LIMIT, "200/minute"), pacing="window"),
    Counting("severalspaced", "spacing", limits=(LIMIT, "600/minute")),
)  # fmt: skip


def counted(profile: Profile, seed: int) -> Result:
    """F15: every way of counting, with a way to the provider that takes differently long."""
    transit_ms = VARIATIONS_MS[seed % len(VARIATIONS_MS)]
    variation_ms = transit_ms + LATE_MS
    chosen = ALL[: profile.combinations]
    scenario = {
        "keys": [one.entry() for one in chosen],
        "latency_ms": 20,
        "transit_jitter_ms": transit_ms,
        "serial_senders": False,
    }
    with world(seed, scenario=scenario) as built, Fleet(built.environment, 1) as fleet:
        for number, one in enumerate(chosen):
            _fill(built, one, number, variation_ms)
        time.sleep(3.0 + 2 * transit_ms / 1000)
        began_us = time.time() * 1e6
        time.sleep(WATCHED_S)
        arrivals = [a for a in built.sandbox.arrivals() if began_us <= a["at_us"] < began_us + WATCHED_S * 1e6]
        violations = built.violations()
        wrong = while_loaded(built, fleet)
    used = {
        one.name: sum(a["key"] == key_of(one.name) for a in arrivals) * one.interval_s(variation_ms / 1000) / WATCHED_S
        for one in chosen
    }
    mean = sum(used.values()) / len(used)
    wrong += [f"{violations} calls against the pace"] * bool(violations)
    wrong += [f"{mean:.0%} of the formula's rate was used"] * (mean < LEAST)
    figures = {"of the formula, mean": mean, "least": min(used.values())}
    size = f"{len(chosen)} ways of counting, transit 0 to {transit_ms} ms"
    return Result(
        "F15", "every way of counting", size, len(arrivals), 0, 0, violations, figures=figures, failures=tuple(wrong)
    )


def _fill(built: World, counting: Counting, number: int, variation_ms: int) -> None:
    """An account whose lanes all hold something for the whole run."""
    built.add_account(counting.name, "; ".join(counting.limits), counting.pacing, variation_ms)
    rows = [{"to": f"+1555{row:07d}"} for row in range(ROWS)]
    for lane in range(LANES):
        built.outbox.start_campaign(
            f"{counting.name}{lane}",
            account=counting.name,
            sender=f"+15550{number:03d}{lane:03d}",
            template=TEXT_CANARY,
            recipients=rows,
        )
