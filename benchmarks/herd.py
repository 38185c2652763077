"""Many operations whose time comes at the same instant: what that does to the state server, and to a producer beside it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from benchmarks.costs import SlowScripts, slow_scripts, watch_slow_scripts
from benchmarks.rig import Rig
from paceline import SendMessage

Kind = Literal["valid_until", "not_before", "resume"]
KINDS: Final[tuple[Kind, ...]] = ("valid_until", "not_before", "resume")

# Slow enough that nearly all operations still wait when their time comes.
_RATE: Final = "10/minute"
_BEFORE_S: Final = 1.0
_SEND_EVERY_S: Final = 0.02


@dataclass(frozen=True)
class Herd:
    """What to let loose.

    Args:
        kind: `valid_until` passes, `not_before` comes, or paused campaigns are resumed, all at one instant.
        accounts: how many.
        operations: of each account.
        lead_s: from the begin of the upload to the instant.
        seconds: observed after the instant.
    """

    kind: Kind
    accounts: int = 400
    operations: int = 200
    lead_s: float = 40
    seconds: float = 20


@dataclass(frozen=True)
class Stampede:
    """What it did.

    Args:
        scripts: slow calls, from a second before the instant.
        slowest_send_ms: the slowest `Outbox.send` in that time.
        sends: how many there were.
        not_accepted: records that no worker had taken when it began.
    """

    scripts: SlowScripts
    slowest_send_ms: float
    sends: int
    not_accepted: int


def let_loose(rigs: Callable[[], AbstractContextManager[Rig]], herd: Herd) -> Stampede:
    """Load a fleet, wait for the instant, and watch.

    Args:
        rigs: starts a fleet.
        herd: what to load it with.
    """
    names = [f"a{number:05d}" for number in range(herd.accounts)]
    with rigs() as rig:
        rig.add_accounts(names, _RATE, "window")
        instant = datetime.now(UTC) + timedelta(seconds=herd.lead_s)
        for name in names:
            if herd.kind == "valid_until":
                rig.upload(name, rows=herd.operations, valid_until=instant)
            elif herd.kind == "not_before":
                rig.upload(name, rows=herd.operations, columns={"not_before": instant.isoformat()})
            else:
                rig.upload(name, rows=herd.operations, paused=True)
        until_s = instant.timestamp() - _BEFORE_S
        not_accepted = rig.wait_until_accepted(max(0.0, until_s - time.time()))
        time.sleep(max(0.0, until_s - time.time()))
        watch_slow_scripts(rig.client)
        sends = timed_sends(rig, names, _BEFORE_S)
        if herd.kind == "resume":
            rig.resume_campaigns([f"{name}-0" for name in names])
        sends += timed_sends(rig, names, herd.seconds)
        return Stampede(slow_scripts(rig.client), max(sends), len(sends), not_accepted)


def timed_sends(rig: Rig, names: list[str], seconds: float) -> list[float]:
    """Send transactional messages for so long, a few at a time from each account in turn; returns what each call took (ms)."""
    took_ms: list[float] = []
    end_s = time.monotonic() + seconds
    while (began_s := time.monotonic()) < end_s:
        account = names[len(took_ms) % len(names)]
        message = SendMessage(account=account, sender="+15550100001", to="+15550100002", text="Your code is 4711")
        rig.outbox.send(message)
        took_ms.append((time.monotonic() - began_s) * 1e3)
        time.sleep(_SEND_EVERY_S)
    return took_ms
