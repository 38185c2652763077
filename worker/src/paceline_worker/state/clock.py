from dataclasses import dataclass, field
from typing import Final

# Server time and the monotonic clock drift apart by less than this between two looks; more means somebody set the clock.
JUMP_TOLERANCE_US: Final = 50_000
# Bounds widen by this much a second, so that drift is followed.
_DRIFT_US_PER_S: Final = 100.0


@dataclass(slots=True)
class ServerClock:
    """The Redis server's time on this machine's monotonic clock.

    The server read its clock between sending and receiving, so every reply bounds the difference of the two clocks from both
    sides. The bounds of all replies together are narrower than those of the quickest one: over a network whose delay varies
    by 250 ms they still agree within a few milliseconds.

    Pure: all times are arguments. The bounds are one value, assigned in one step, so any thread may write and read.
    """

    # Told until this clock has seen a reply: servers' clocks differ by little.
    other: "ServerClock | None" = None
    _bounds: tuple[float, float, float] = field(default=(float("-inf"), float("inf"), 0.0), init=False)
    _jumped: bool = field(default=False, init=False)
    _distrusted_until_s: float = field(default=float("-inf"), init=False)

    def observe(self, sent_s: float, server_us: int, received_s: float) -> bool:
        """Learn from one reply.

        Args:
            sent_s: monotonic seconds before the command was sent.
            server_us: the server's time in the reply.
            received_s: monotonic seconds after the reply.

        Returns:
            True when the server's clock has jumped since the last look.
        """
        least, most, at_s = self._bounds
        drift_us = max(0.0, received_s - at_s) * _DRIFT_US_PER_S
        low, high = server_us - received_s * 1e6, server_us - sent_s * 1e6
        both_low, both_high = max(low, least - drift_us), min(high, most + drift_us)
        jumped = both_low > both_high + JUMP_TOLERANCE_US
        # Bounds that miss each other by less mean that the clocks drift faster than usual: the newer ones count.
        self._bounds = (both_low, both_high, received_s) if both_low <= both_high else (low, high, received_s)
        if jumped:
            self._jumped, self._distrusted_until_s = True, float("inf")
        return jumped

    def take_jump(self) -> bool:
        """Whether any reply since the last call of this method showed a jump; whoever asks must act on it."""
        jumped, self._jumped = self._jumped, False
        return jumped

    def trusts(self, asked_s: float) -> bool:
        """Whether slots of a reply mean what they say: every bucket started empty since the server's clock was set.

        Args:
            asked_s: monotonic seconds before the command was sent.
        """
        return asked_s > self._distrusted_until_s

    def restarted(self, now_s: float) -> None:
        """Every bucket starts empty, at the latest from this monotonic second on."""
        self._distrusted_until_s = now_s

    def monotonic_s(self, server_us: float) -> float:
        """The monotonic time, in seconds, of a server time in us."""
        return (server_us - self._offset_us) / 1e6

    def server_us(self, monotonic_s: float) -> int:
        """The server time, in us, of a monotonic time in seconds."""
        return int(monotonic_s * 1e6 + self._offset_us)

    @property
    def _offset_us(self) -> float:
        low, high, _ = self._bounds
        if low > float("-inf"):
            return (low + high) / 2
        return self.other.server_us(0.0) if self.other else 0.0
