"""What readers see of an operation: pure functions over what look.lua returned."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from paceline.record import instant

_STATES: Final = {"w": "waiting", "g": "granted", "s": "sending", "d": "settled"}


@dataclass(frozen=True, slots=True)
class Status:
    """Where one operation is.

    Args:
        id: the operation.
        state: waiting, granted, sending, or its outcome (accepted, rejected, expired, cancelled, dead, held).
        account: account name.
        campaign: campaign name, or None.
        kind: such as ``message.to_number``.
        accepted_at: when a worker took it into its lane.
        settled_at: when it got its outcome.
        attempts: calls that reached the provider and failed for a reason that may pass.
        message_uuid: the provider's handle.
        code: the provider's last status code, or a word where there was none.
        words: the provider's words, or ours, about the last answer.
        expected_at: when it is expected to leave; None when settled, or while nothing may leave.
        why: one sentence: why it waits, or what became of it.
    """

    id: str
    state: str
    account: str
    campaign: str | None
    kind: str
    accepted_at: datetime
    settled_at: datetime | None
    attempts: int
    message_uuid: str | None
    code: str | None
    words: str | None
    expected_at: datetime | None
    why: str

    def as_json(self) -> dict[str, Any]:
        """Plain values, times in ISO 8601."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name in self.__slots__
            for value in (getattr(self, name),)
        }


def status_of(found: Mapping[str, Any]) -> Status:
    """Read an operation.

    Args:
        found: look.lua's ``operation`` reply.

    Returns:
        Its status with forecast.
    """
    o = found["operation"]
    state = _STATES[o["s"]]
    expected_us, why = (None, _what_became(o)) if state == "settled" else _forecast(found, state)
    return Status(
        id=o["id"],
        state=o["oc"] if state == "settled" else state,
        account=o["a"],
        campaign=o.get("c"),
        kind=o["k"],
        accepted_at=instant(o["t"]),
        settled_at=instant(o["te"]) if o.get("te") else None,
        attempts=int(o.get("at", 0)),
        message_uuid=o.get("u") or None,
        code=o.get("cd") or None,
        words=o.get("le") or None,
        expected_at=instant(expected_us) if expected_us is not None else None,
        why=why,
    )


def _what_became(o: Mapping[str, str]) -> str:
    outcome = o["oc"]
    if outcome == "accepted":
        return "the provider accepted it"
    if outcome == "held":
        return "nobody knows whether the call took effect, so it is held for a person"
    return f"{outcome}: {o.get('le') or 'no words'}"


def _forecast(found: Mapping[str, Any], state: str) -> tuple[int | None, str]:
    """When an unsettled operation is expected to leave, and the one thing that keeps it most."""
    o, account = found["operation"], found.get("account")
    if state != "waiting":
        return int(o["sl"]), f"its slot is at {_clock(o['sl'])}" if state == "granted" else "the call is under way"
    if account is None:
        return None, "its account was removed"
    if account.get("suspended"):
        return None, f"the account is suspended: {account['suspended']}"
    for name, words in (
        ("not_before", "is not to be sent before"),
        ("backoff_until", "backs off after an error until"),
    ):
        if found.get(name):
            at = max(int(float(found[name])), int(account["next_slot"]))
            return at, f"it {words} {_clock(found[name])}"
    if found.get("ahead") is None:
        return None, "an earlier message to the same recipient is in back-off"
    now, ahead, interval = int(o["now"]), int(found["ahead"]), int(account["interval"])
    at = int(account["next_slot"]) + ahead * interval
    lane = found.get("lane") or {}
    if int(account.get("paused_until") or 0) > now:
        return at, f"the account pauses until {_clock(account['paused_until'])} because the provider throttled it"
    if int(lane.get("paused_until") or 0) > now:
        return max(at, int(lane["paused_until"])), f"the sender is busy; it pauses until {_clock(lane['paused_until'])}"
    if ahead:
        before = "1 operation leaves" if ahead == 1 else f"{ahead} operations leave"
        return at, f"{before} before it, one every {interval / 1e6:g} s"
    return at, f"it is next; the account's slot is at {_clock(account['next_slot'])}"


def _clock(us: str | float) -> str:
    return instant(us).strftime("%Y-%m-%d %H:%M:%S UTC")
