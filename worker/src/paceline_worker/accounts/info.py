"""``GET /info``: an account's own limit, credits and expiry (docs/provider.md, 1.7). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from paceline.operations.requests import ProviderRequest
from paceline.times import microseconds
from paceline_worker.pacing.bucket import Pace, Pacing, pace_of

INFO: Final = ProviderRequest("GET", "/info", None, "/info")
INFO_EVERY: Final = timedelta(minutes=15)
# The provider's documents contradict each other about a trial (10 or 30 a minute): the safe one until /info was read.
SAFE_RATE: Final = "10/minute"
# Accounts that were added together do not ask together for ever.
_SPREAD: Final = 0.1
_LARGEST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Info:
    """What the provider says of an account; None where it does not, or says nonsense.

    Args:
        per_minute: requests a minute.
        credits_left: calls left.
        checks_left: number checks left.
        on_trial: whether it is a trial.
        blocked: whether the provider blocks it.
        expires_at: when it ends.
    """

    per_minute: int | None = None
    credits_left: int | None = None
    checks_left: int | None = None
    on_trial: bool | None = None
    blocked: bool | None = None
    expires_at: datetime | None = None

    def may_send(self, now: datetime) -> bool:
        """Whether an account that was refused for want of payment may send again.

        Args:
            now: the present.
        """
        expired = self.expires_at is not None and self.expires_at <= now
        return not self.blocked and not expired and (self.credits_left is None or self.credits_left > 0)


def read_info(value: Mapping[str, Any]) -> Info:
    """Read the answer's object, tolerantly.

    Args:
        value: as decoded.
    """
    account, limits, usage = (_table(value.get(name)) for name in ("account", "limits", "usage"))
    per_minute = _number(limits.get("requests_per_minute"))
    return Info(
        per_minute=per_minute if per_minute and per_minute <= _LARGEST else None,
        credits_left=_left(usage, "max_api_request_count", "api_request_count"),
        checks_left=_left(usage, "max_number_check_count", "number_check_count"),
        on_trial=_flag(account.get("on_trial")),
        blocked=_flag(account.get("blocked")),
        expires_at=_time(account.get("expires_at")),
    )


def effective_rates(by_hand: str, told: str) -> str:
    """The limits an account keeps: those set by hand are the ceiling of what the provider tells.

    Args:
        by_hand: rates as `bucket.pace_of` takes them, or ''.
        told: requests a minute, as text, or ''.
    """
    by_provider = f"{told}/minute" if told else ""
    return "; ".join(filter(None, (by_hand, by_provider))) or SAFE_RATE


def pace_fields(rates: str, pacing: Pacing, variation: timedelta) -> dict[str, str]:
    """The fields of an account that its limits decide.

    Args:
        rates: from `effective_rates`.
        pacing: which formula.
        variation: J.

    Raises:
        InvalidOperation: the text is not a rate.
    """
    return _fields(pace_of(rates, pacing, variation))


def info_fields(info: Info, *, by_hand: str, told_before: str, pacing: Pacing, variation: timedelta) -> dict[str, str]:
    """What /info changes in an account.

    Args:
        info: what was read; what it lacks stays as it was.
        by_hand: limits set by hand, or ''.
        told_before: what the provider told last, or ''.
        pacing: of the account.
        variation: of the account.
    """
    told = str(info.per_minute) if info.per_minute else told_before
    known = {
        "told": told or None,
        "credits_left": info.credits_left,
        "checks_left": info.checks_left,
        "on_trial": None if info.on_trial is None else int(info.on_trial),
        "blocked": None if info.blocked is None else int(info.blocked),
        "expires_at": None if info.expires_at is None else microseconds(info.expires_at),
    }
    fields = {name: str(value) for name, value in known.items() if value is not None}
    return fields | pace_fields(effective_rates(by_hand, told), pacing, variation)


def catch_up_us(fields: Mapping[str, str], old_interval_us: int) -> int:
    """How long after the last slot an account is within new limits, whatever it sent at the old distance.

    A limit of N per W counts what was sent before it was lowered. The N-th last of those left (N - 1) old distances before the
    last one, and must be W old, and J.

    Args:
        fields: from `info_fields`.
        old_interval_us: distance between slots until now.
    """
    interval, window, j = (int(fields[name]) for name in ("interval", "window", "variation"))
    n = max(1, window // max(1, interval))
    return max(0, window + j - (n - 1) * old_interval_us)


def next_read(every: timedelta, random: Random) -> timedelta:
    """When to read it again.

    Args:
        every: the usual time.
        random: spreads the accounts.
    """
    return every * (1 + random.uniform(-_SPREAD, _SPREAD))


def _fields(pace: Pace) -> dict[str, str]:
    return {
        "interval": str(pace.interval_us),
        "window": str(pace.window_us),
        "quotas": pace.quotas_text(),
        "variation": str(pace.variation_us),
    }


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e15:
        return None
    return int(value)


def _left(usage: Mapping[str, Any], most: str, used: str) -> int | None:
    limit, count = _number(usage.get(most)), _number(usage.get(used))
    return None if limit is None or count is None else max(0, limit - count)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
