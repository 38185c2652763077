"""A worker that crashes or freezes after each step of an operation's way, with each answer and each policy (F2)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from paceline.campaigns.senders import as_field, senders_of
from paceline.operations import OnUnknown
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.state.values import Hint
from paceline_worker.verdict.policy import Verdict
from tests.properties.uploads import Uploads
from tests.support.drive import (
    ABSENT,
    ACCEPTED,
    BAD_KEY,
    LEASE_US,
    NOT_MADE,
    OVERLOADED,
    REJECTED,
    SENDER_BUSY,
    THROTTLED,
    UNKNOWN,
    Drive,
)

FRESH = replace(ABSENT, outcome="fresh")
STEPS = ("accept", "grant", "begin", "call", "settle")
# What the provider answers to the first call, and whether it took effect.
ANSWERS = {
    "accepted": (ACCEPTED, True),
    "rejected": (REJECTED, False),
    "503": (OVERLOADED, False),
    "429": (THROTTLED, False),
    "486": (SENDER_BUSY, False),
    "lost after": (UNKNOWN, True),
    "lost before": (UNKNOWN, False),
    "not made": (NOT_MADE, False),
    "401": (BAD_KEY, False),
}
POLICIES = ("hold", "reconcile", "resend")
LATE = ("never", "before the sweep", "after the sweep")


@dataclass
class Run:
    """One operation on its way.

    Args:
        drive: the scripts.
        op: the operation.
        arrivals: handles of what took effect.
        unknowns: calls of unknown outcome.
    """

    drive: Drive
    op: str
    arrivals: list[str] = field(default_factory=list)
    unknowns: int = 0

    def arrive(self) -> str:
        self.arrivals.append(f"MSG{len(self.arrivals)}-{self.op}")
        return self.arrivals[-1]

    def finish(self) -> None:
        """A worker that is well takes it to its outcome."""
        for _ in range(12):
            if self.drive.operation(self.op)["s"] == "d":
                return
            Accounts(self.drive.client).resume("acme")
            hint = self.drive.grant_next()
            begun = self.drive.begin_at_slot(hint)
            if begun["s"] != "go":
                continue
            phase = begun.get("phase")
            self.drive.set_time(max(self.drive.now_us, hint.slot_us))
            self.drive.settle(hint, self.looked(str(phase)) if phase else replace(ACCEPTED, uuid=self.arrive()))
        raise AssertionError("it has no outcome")

    def looked(self, phase: str) -> Verdict:
        """What the provider's history shows, which is fresh."""
        if phase == "l2":
            return FRESH
        return replace(ABSENT, uuids=tuple(self.arrivals))


def first_worker(run: Run, crash: str, answer: str) -> tuple[Hint, Verdict] | None:
    """Take the operation as far as the step before which the worker crashes; what it would still have said, if it only froze."""
    drive = run.drive
    drive.accept_all()
    if crash == "accept":
        return None
    hint = drive.grant_next()
    if crash == "grant":
        return None
    drive.begin_at_slot(hint)
    verdict, took_effect = ANSWERS[answer]
    if crash == "begin":
        return None
    drive.set_time(hint.slot_us)
    if took_effect:
        verdict = replace(verdict, uuid=run.arrive() if verdict is ACCEPTED else (run.arrive() and ""))
    if crash == "call":
        return hint, verdict
    run.unknowns += verdict.verb == "unknown"
    drive.settle(hint, verdict)
    return None


def alone(drive: Drive, policy: str, number: int) -> str:
    """Write a message of its own; returns its id."""
    return drive.send(on_unknown=policy, accept=False, to=f"+1555{number:07d}")


def of_a_campaign(drive: Drive, policy: str, number: int) -> str:
    """Write the one row of a campaign with two senders and a ramp that has room for one more; returns its id."""
    uploads = Uploads(drive)
    pool = as_field(senders_of(("+15550100001", "+15550100009")))
    policies: dict[str, OnUnknown] = {"hold": "hold", "reconcile": "reconcile", "resend": "resend"}
    # What may have left counts, so an operation that was repeated by policy needs as much room again.
    uploads.open(
        f"c{number}", options={"ramp": f"{4 * (number + 1)}"}, on_unknown=policies[policy], fs=pool, max_attempts=8
    )
    (op_id,) = uploads.write(f"c{number}", [{"to": f"+1555{number:07d}"}], accept=False)[1]
    uploads.seal(f"c{number}")
    return op_id


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("write", [alone, of_a_campaign])
def test_whatever_step_a_worker_is_lost_after_the_operation_has_one_outcome(
    drive: Drive, policy: str, late: str, write: Callable[[Drive, str, int], str]
) -> None:
    """Hold arrives once at most, reconcile once exactly when it is accepted, and resend once more than it was unknown at most."""
    numbers = count()
    for crash in STEPS:
        for answer in ANSWERS if crash in ("call", "settle") else ("accepted",):
            run = Run(drive, write(drive, policy, next(numbers)))
            frozen = first_worker(run, crash, answer)
            if frozen and late == "before the sweep":
                run.unknowns += frozen[1].verb == "unknown"
                drive.settle(*frozen)
            drive.advance(LEASE_US / 1e6 + 6)
            drive.grant(most=0)
            run.unknowns += crash in ("begin", "call") and drive.operation(run.op).get("uk") == "1"
            if frozen and late == "after the sweep":
                drive.settle(*frozen)
            run.finish()
            check(run, policy, f"{crash}, {answer}")


def check(run: Run, policy: str, where: str) -> None:
    outcome, arrivals = run.drive.operation(run.op)["oc"], len(run.arrivals)
    most = 1 + run.unknowns if policy == "resend" else 1
    assert arrivals <= most, where
    assert outcome != "accepted" or arrivals >= 1, where
    assert outcome == "held" or policy != "reconcile" or outcome == "rejected" or arrivals == 1, where
    assert outcome in ("accepted", "rejected", "held"), where
    assert run.drive.balance().unaccounted == 0, where
