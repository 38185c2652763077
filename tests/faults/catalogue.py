"""Every fault of the suite: who runs it, in how many parts at full size, and whether it is in the short profile."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.runs import (
    answers,
    crowds,
    guests,
    intake,
    killing,
    load,
    mixtures,
    operators,
    pacing,
    producers,
    receipts,
    refusals,
    releases,
    scarcity,
    severing,
    simulated,
)

Run = Callable[[Profile, int], Result]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Args:
        run: does it, with sizes and a seed.
        parts: at full size so many runs share the work, each kept on its own: an interrupted profile loses one of them.
        short: whether five minutes have room for it.
        alone: what a machine can do is no matter of other runs beside it.
    """

    run: Run
    parts: int = 1
    short: bool = False
    alone: bool = False


# In the order of the report, in which also the parts are begun: what the promises rest on first.
FAULTS: Final[dict[str, Fault]] = {
    "F1": Fault(partial(killing.kills, policy="reconcile"), parts=10, short=True),
    "F1 hold": Fault(partial(killing.kills, policy="hold"), parts=10),
    "F5 everysec": Fault(partial(severing.server_kills, appendfsync="everysec"), parts=5, short=True),
    "F5 always": Fault(partial(severing.server_kills, appendfsync="always"), parts=5),
    "F12": Fault(answers.outage, parts=5, short=True),
    "F9": Fault(severing.network, parts=20, short=True),
    "F0": Fault(killing.bare_queue, short=True),
    "F2": Fault(simulated.simulated, parts=10),
    "F14": Fault(refusals.refused_keys, parts=2, short=True),
    "F13": Fault(refusals.storms, parts=5),
    "F18": Fault(receipts.hostile, parts=5),
    "F11 reconcile": Fault(partial(answers.ambiguous, policy="reconcile"), parts=25, short=True),
    "F11 hold": Fault(partial(answers.ambiguous, policy="hold"), parts=25),
    "F11 resend": Fault(partial(answers.ambiguous, policy="resend"), parts=25),
    "F7": Fault(severing.wiped_broker),
    "F8": Fault(severing.reply_cuts, parts=5, short=True),
    "F10": Fault(scarcity.full_server),
    "F16": Fault(answers.jumps, parts=4, short=True),
    "F17": Fault(killing.terms, parts=5),
    "F19": Fault(killing.poisons, parts=5, short=True),
    "F21": Fault(releases.side_by_side),
    "F4": Fault(killing.stops, parts=20),
    "F26 descriptors": Fault(
        partial(scarcity.weak_worker, what="a worker without file descriptors", limit=scarcity.few_descriptors)
    ),
    "F26 memory": Fault(partial(scarcity.weak_worker, what="a worker without memory", limit=scarcity.little_memory)),
    "F31": Fault(mixtures.mixed, parts=4),
    "F32": Fault(operators.commands, parts=3),
    "F33": Fault(mixtures.twins),
    "F34": Fault(operators.full_disk, parts=2),
    "F35": Fault(intake.taken_in, parts=2),
    "F28": Fault(guests.shared_server),
    "F29": Fault(producers.of_every_kind),
    "F15": Fault(pacing.counted, parts=4, alone=True),
    "F22": Fault(load.overload, short=True, alone=True),
    "F23": Fault(load.starved, alone=True),
    "F24": Fault(load.slow_provider, alone=True),
    "F25": Fault(crowds.herd, alone=True),
    "F27": Fault(crowds.giant, alone=True),
    "F20": Fault(crowds.campaign_beside, alone=True),
    "F30": Fault(scarcity.weak_beside, alone=True),
}
