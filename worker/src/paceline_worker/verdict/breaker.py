"""The circuit breaker of an account, pure: the model of ``lua/shared/breaker.lua``. A share of the last calls decides."""

from dataclasses import dataclass
from typing import Final, Literal

# Six in a row, or fifteen among twenty: at a fifth of independent failures that comes about once in ten thousand calls.
RUN: Final = 6
WINDOW: Final = 20
SHARE: Final = 15
# Of all accounts together, which make many more calls; of fewer accounts than this it is their own trouble.
PROVIDER_SHARE: Final = 18
PROVIDER_ACCOUNTS: Final = 3
RAMP_CALLS: Final = 5
_FIRST_RAMP: Final = 4
_FIRST_PAUSE_US: Final = 5_000_000
_LONGEST_PAUSE_US: Final = 60_000_000
_MOST_OPENED: Final = 10


def pause_us(opened: int, now_us: int) -> int:
    """How long nothing but a probe leaves.

    Args:
        opened: how often it opened in a row, 1 the first time.
        now_us: server time; its last digits spread breakers that open together.

    Returns:
        5, 10, 20, 40, 60, 60 ... seconds in us, each up to a fifth shorter.
    """
    longest = min(_LONGEST_PAUSE_US, _FIRST_PAUSE_US * 2 ** (opened - 1))
    return int(longest * (1 - (now_us % 1000) / 5000))


@dataclass(slots=True)
class Breaker:
    """One account's breaker.

    Args:
        state: ``closed``, ``open`` (one probe at a time) or ``ramp`` (the way back).
        run: failures in a row.
        window: the last calls since it opened or closed, ``1`` a failure; '' when none of them failed.
        opened: how often it opened since it was closed.
        ramp: factor of the distance between slots.
        left: calls until the next stage of the ramp.
        paused_until_us: server time of the end of its pause.
    """

    state: Literal["closed", "open", "ramp"] = "closed"
    run: int = 0
    window: str = ""
    opened: int = 0
    ramp: int = 1
    left: int = 0
    paused_until_us: int = 0

    def note(self, now_us: int, *, good: bool) -> bool:
        """Learn what one call said about the provider's health.

        Args:
            now_us: server time.
            good: whether the provider was well.

        Returns:
            Whether it opened with this call.
        """
        if self.state == "open" and self.paused_until_us > now_us:
            return False  # a call of before it opened

        if self.state == "open" and good:
            self.state, self.ramp, self.left = "ramp", _FIRST_RAMP, RAMP_CALLS
            return False

        self.run = 0 if good else self.run + 1
        if self.window or not good:
            self.window = (self.window + ("0" if good else "1"))[-WINDOW:]

        if not good and (self.state == "open" or self.run >= RUN or self.window.count("1") >= SHARE):
            self._open(now_us)
            return True

        if "1" not in self.window:
            self.window = ""
        if self.state == "ramp":
            self._climb()

        return False

    def _open(self, now_us: int) -> None:
        self.run, self.window = 0, ""
        self.opened = min(self.opened + 1, _MOST_OPENED)
        self.state, self.ramp, self.left = "open", 1, 0
        self.paused_until_us = max(self.paused_until_us, now_us + pause_us(self.opened, now_us))

    def _climb(self) -> None:
        self.left -= 1
        if self.left > 0:
            return
        if self.ramp > _FIRST_RAMP // 2:
            self.ramp, self.left = _FIRST_RAMP // 2, RAMP_CALLS
        else:
            self.state, self.ramp, self.opened = "closed", 1, 0
