"""What follows from an answer: delivered, another try and when, a dead letter, a pause of the hook, its end. Pure."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal

# The schedule that Standard Webhooks recommends: the last try comes some three days after the first.
BACKOFF: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
_JITTER: Final = 0.2
_LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
# So many failures one after the other open the breaker: at one failure in four, ten in a row come once in a million.
_FAILURES: Final = 10
BREAKER_WAIT: Final = timedelta(seconds=30)
_LONGEST_WAIT: Final = timedelta(minutes=10)

Result = Literal["delivered", "failed", "timeout", "refused", "gone"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How one request ended.

    Args:
        result: delivered (2xx), gone (410), failed (another status, or no connection), timeout, refused (by us: no public address).
        words: for people.
        retry_after: as the receiver asked.
    """

    result: Result
    words: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of an event.

    Args:
        what: done, late (another try), kept (as if it had not been posted) or dead.
        wait: until the next try.
    """

    what: Literal["done", "late", "kept", "dead"]
    wait: timedelta = timedelta(0)


def answer_of(status: int, retry_after: str | None) -> Answer:
    """Read a status.

    Args:
        status: of HTTP.
        retry_after: the header; only seconds are read.
    """
    words = f"HTTP {status}"
    if 200 <= status < 300:
        return Answer("delivered", words)
    if status == 410:
        return Answer("gone", words)
    asked = (
        timedelta(seconds=int(retry_after))
        if retry_after and retry_after.isdecimal() and len(retry_after) < 10
        else None
    )
    return Answer("failed", words, asked)


def next_of(answer: Answer, tries: int, backoff: tuple[timedelta, ...], random: float) -> Next:
    """What becomes of an event.

    Args:
        answer: to its last try.
        tries: before that one.
        backoff: waits between tries; one try more than waits is made.
        random: 0 to 1.
    """
    if answer.result == "delivered":
        return Next("done")
    if tries >= len(backoff):
        return Next("dead")
    wait = backoff[tries] * (1 + _JITTER * (2 * random - 1))
    return Next("late", max(wait, min(answer.retry_after or timedelta(0), _LONGEST_RETRY_AFTER)))


@dataclass(frozen=True, slots=True)
class Breaker:
    """Whether a hook is tried at all. While it is open, one probe is posted at the end of each wait, and no try is spent.

    Args:
        fails: failures since the last success.
        opened: how often it opened since the last success.
        open_until_ms: by the state server's clock; 0 closed.
    """

    fails: int = 0
    opened: int = 0
    open_until_ms: int = 0

    def room(self, now_ms: int, places: int) -> int:
        """How many events may be posted now.

        Args:
            now_ms: the clock.
            places: that are free.
        """
        if not self.open_until_ms:
            return places
        return min(places, 1) if now_ms >= self.open_until_ms else 0

    def after(self, answer: Answer, now_ms: int, wait: timedelta = BREAKER_WAIT) -> "Breaker":
        """The breaker after an answer."""
        if answer.result in ("delivered", "gone"):
            return Breaker()
        fails = self.fails + 1
        is_probe = 0 < self.open_until_ms <= now_ms
        if fails < _FAILURES or (self.open_until_ms and not is_probe):
            return replace(self, fails=fails)
        # Ten doublings are beyond the longest wait, whatever the first is.
        span = min(wait * 2 ** min(self.opened, 10), max(_LONGEST_WAIT, wait))
        return Breaker(fails, self.opened + 1, now_ms + int(span.total_seconds() * 1000))

    def as_fields(self) -> dict[str, str]:
        """As state keeps it."""
        numbers = {"fails": self.fails, "opened": self.opened, "open_until": self.open_until_ms}
        return {name: str(number) if number else "" for name, number in numbers.items()}


def breaker_of(fields: dict[str, str]) -> Breaker:
    """A breaker as state keeps it."""
    return Breaker(int(fields.get("fails", 0)), int(fields.get("opened", 0)), int(fields.get("open_until", 0)))
