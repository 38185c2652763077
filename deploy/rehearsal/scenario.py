"""The incidents of the rehearsal, and the reactions of operators."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from deploy.rehearsal.cast import ACCOUNTS, CAMPAIGN, CAMPAIGNS, SENDER, Account
from deploy.rehearsal.fleet import KEY_VARIABLE, Fleet
from deploy.rehearsal.recording import Event
from paceline.operations import SendMessage
from paceline_sandbox.faults.scenario import Scenario

WORKERS: Final = ("worker-1", "worker-2")
LENGTH_S: Final = 225.0

_TICK_S: Final = 0.1
_CUT: Final = "+15559992001"  # the sandbox's own: the connection is cut before anything is accepted


class Play:
    """One run of the incidents.

    Args:
        fleet: the fleet that meets them.
        say: prints each incident and reaction.
    """

    def __init__(self, fleet: Fleet, say: Callable[[str], None]) -> None:
        self.events: list[Event] = []
        self._fleet = fleet
        self._say = say
        self._held: list[str] = []
        self._numbers = count(1)
        self._expires = datetime.now(UTC)

    def prepare(self) -> None:
        """Add the accounts, before anything is sent."""
        self._provider()
        for account in ACCOUNTS:
            self._fleet.paceline(
                *("accounts", "add", account.name, "--limit", f"{account.per_minute}/minute"),
                *("--pacing", account.pacing, "--api-key-env", KEY_VARIABLE),
                **{KEY_VARIABLE: account.key},
            )
            if account.receipts:
                numbers = {account.sender, *(one.sender for one in CAMPAIGNS if one.account == account.name)}
                self._fleet.paceline(
                    *("receipts", "subscribe", account.name, "--base-url", self._fleet.receipts_base),
                    *(option for number in sorted(numbers) for option in ("--sender", number)),
                )

    def run(self) -> None:
        """Run all steps; takes `LENGTH_S`.

        Raises:
            PacelineError: something cannot be done, or a process ended unexpectedly.
        """
        begun = time.monotonic()
        steps = iter(self._steps())
        due_s, text, action = next(steps)
        wanted_s = {account.name: 1.0 for account in ACCOUNTS}
        while (now_s := time.monotonic() - begun) < LENGTH_S:
            self._fleet.check()
            if now_s >= due_s:
                self._do(text, action)
                due_s, text, action = next(steps, (LENGTH_S + 1, "", _nothing))
            for account in ACCOUNTS:
                if now_s >= wanted_s[account.name]:
                    wanted_s[account.name] += account.every_s
                    self._service(account)
            time.sleep(_TICK_S)

    def _steps(self) -> Iterable[tuple[float, str, Callable[[], object]]]:
        """Seconds since the beginning, the event, and its function."""
        fleet, meet = self._fleet, self._provider
        busy = {"number": SENDER, "state": "busy"}
        refuses = {"kind": "answer", "status": 503, "key": _key("globex")}
        throttles = {"kind": "answer", "status": 429, "retry_after": 12, "count": 1, "key": _key("globex")}
        unknown_key = {"kind": "answer", "status": 401, "key": _key("initech")}
        loses = {"kind": "drop_after_accepting", "count": 3, "key": _key("globex")}
        return (
            (0, "five campaigns begin; spring weighs 3, autumn 1", self._begin_campaigns),
            (30, "the provider answers 503 to globex", lambda: meet(faults=[refuses])),
            (36, "the provider works again", meet),
            (50, "the number of spring and autumn is busy (486)", lambda: meet(numbers=[busy])),
            (62, "the number is ready again", meet),
            (76, "one 429 for globex: wait 12 s", lambda: meet(faults=[throttles])),
            (92, "two payments lose their connection: held", self._lose_two),
            (105, "spring is paused by hand", lambda: fleet.paceline("campaign", "pause", CAMPAIGN)),
            (122, "spring is resumed", lambda: fleet.paceline("campaign", "resume", CAMPAIGN)),
            (138, "worker-1 is killed (SIGKILL)", lambda: fleet.kill_worker("worker-1")),
            (142, "worker-3 takes its place", lambda: fleet.replace_worker("worker-1", "worker-3")),
            (158, "the provider refuses initech's key (401)", lambda: meet(faults=[unknown_key])),
            (172, "a person drops one of the two payments", self._drop_one),
            (178, "the key works again", meet),
            (180, "initech is resumed", lambda: fleet.paceline("accounts", "resume", "initech")),
            (194, "three answers are lost: they are looked up", lambda: meet(faults=[loses])),
            (206, "answers arrive again", meet),
        )

    def _do(self, text: str, action: Callable[[], object]) -> None:
        self._say(text)
        self.events.append(Event(at=time.time(), text=text))
        action()

    def _provider(self, **trouble: Any) -> None:
        """Set the behaviour of the provider, faults included."""
        keys = [
            {
                "key": account.key,
                "limits": [f"{account.per_minute}/minute"],
                "credits": account.credit,
                "expires_at": self._expires + timedelta(days=account.days),
                "on_trial": False,
            }
            for account in ACCOUNTS
        ]
        receipts = {"sent_ms": 60, "received_ms": 700, "read_ms": 6_000, "not_sent": 0.01}
        made = {"latency_ms": 15, "latency_jitter_ms": 45, "keys": keys, "receipts": receipts, **trouble}
        self._fleet.provider(Scenario.model_validate(made))

    def _begin_campaigns(self) -> None:
        for campaign in CAMPAIGNS:
            self._fleet.outbox.start_campaign(
                campaign.name,
                account=campaign.account,
                sender=campaign.sender,
                template="Hi {name}, your order is on its way.",
                recipients=campaign.rows(),
                weight=campaign.weight,
            )

    def _service(self, account: Account) -> None:
        number = next(self._numbers)
        to, text = f"+1555020{number:04d}", f"Your order {number} is ready"
        self._fleet.outbox.send(SendMessage(account=account.name, sender=account.sender, to=to, text=text))

    def _lose_two(self) -> None:
        for number in range(2):
            message = SendMessage(
                account="globex", sender=f"+155501000{60 + number}", to=_CUT, text="A payment", on_unknown="hold"
            )
            self._held.append(self._fleet.outbox.send(message).id)

    def _drop_one(self) -> None:
        self._fleet.paceline("unknown", "drop", self._held[0])


def _key(name: str) -> str:
    return next(account.key for account in ACCOUNTS if account.name == name)


def _nothing() -> None:
    """After the last step."""
