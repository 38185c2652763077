"""Many operations whose time comes at the same instant: what that does to the state server, and to a producer beside it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from benchmarks.costs import SlowScripts, slow_scripts, watch_slow_scripts
from benchmarks.rig import Rig
from paceline import SendMessage
from paceline.errors import StateUnavailable

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


@dataclass
class Sends:
    """Calls of `Outbox.send`.

    Args:
        took_ms: each of them.
        failed: how many raised, because the state server did not answer in time.
    """

    took_ms: list[float] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True)
class Stampede:
    """What it did.

    Args:
        scripts: slow calls, from a second before the instant.
        sends: of transactional messages in that time.
        not_accepted: records that no worker had taken when it began.
    """

    scripts: SlowScripts
    sends: Sends
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
        sends = Sends()
        keep_sending(rig, names, _BEFORE_S, sends)
        if herd.kind == "resume":
            rig.resume_campaigns([f"{name}-0" for name in names])
        keep_sending(rig, names, herd.seconds, sends)
        return Stampede(slow_scripts(rig.client), sends, not_accepted)


def keep_sending(rig: Rig, names: list[str], seconds: float, sends: Sends) -> None:
    """Send transactional messages for so long, from each account in turn."""
    end_s = time.monotonic() + seconds
    while (began_s := time.monotonic()) < end_s:
        account = names[len(sends.took_ms) % len(names)]
        message = SendMessage(account=account, sender="+15550100001", to="+15550100002", text="Your code is 4711")
        try:
            rig.outbox.send(message)
        except StateUnavailable:
            sends.failed += 1
        sends.took_ms.append((time.monotonic() - began_s) * 1e3)
        time.sleep(_SEND_EVERY_S)
