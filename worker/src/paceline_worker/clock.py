from dataclasses import dataclass, field
from typing import Final

# Server time and the monotonic clock drift apart by less than this between two looks; more means somebody set the clock.
JUMP_TOLERANCE_US: Final = 50_000
# An old estimate loses this much sharpness a second, so that drift is followed.
_DRIFT_US_PER_S: Final = 100.0


@dataclass(slots=True)
class ServerClock:
    """The Redis server's time on this machine's monotonic clock.

    Every reply that carries the server's time narrows the estimate: the server read it between sending and receiving.
    Pure: all times are arguments. Assignments are single steps, so one thread may write while others read.
    """

    _offset_us: float = field(default=0.0, init=False)
    _half_width_us: float = field(default=float("inf"), init=False)
    _at_s: float = field(default=0.0, init=False)
    _jumped: bool = field(default=False, init=False)

    def observe(self, sent_s: float, server_us: int, received_s: float) -> bool:
        """Learn from one reply.

        Args:
            sent_s: monotonic seconds before the command was sent.
            server_us: the server's time in the reply.
            received_s: monotonic seconds after the reply.

        Returns:
            True when the server's clock has jumped since the last look.
        """
        middle = server_us - (sent_s + received_s) / 2 * 1e6
        half = (received_s - sent_s) / 2 * 1e6
        known_half = self._half_width_us + (received_s - self._at_s) * _DRIFT_US_PER_S
        jumped = abs(middle - self._offset_us) > half + known_half + JUMP_TOLERANCE_US
        if jumped or half <= known_half:
            self._offset_us, self._half_width_us, self._at_s = middle, half, received_s
        self._jumped |= jumped
        return jumped

    def take_jump(self) -> bool:
        """Whether any reply since the last call of this method showed a jump; whoever asks must act on it."""
        jumped, self._jumped = self._jumped, False
        return jumped

    def monotonic_s(self, server_us: float) -> float:
        """The monotonic time, in seconds, of a server time in us."""
        return (server_us - self._offset_us) / 1e6

    def server_us(self, monotonic_s: float) -> int:
        """The server time, in us, of a monotonic time in seconds."""
        return int(monotonic_s * 1e6 + self._offset_us)
