"""Whether the state server came back without writes that it had acknowledged: its append-only file was truncated, or an old one."""

from dataclasses import dataclass


@dataclass(slots=True)
class Memory:
    """What a worker knows of its last acknowledged heartbeat. Pure: times are arguments, in us of the server's clock.

    Args:
        until_us: until when that heartbeat said that the worker lives; None before the first one.
    """

    until_us: int | None = None

    def forgotten_us(self, found_us: int | None, now_us: int) -> int | None:
        """How much the server has forgotten.

        Args:
            found_us: what the server still knew of the last heartbeat; None: nothing.
            now_us: its time.

        Returns:
            us between the last write that it knows and the last acknowledged write, as far as this worker can tell; None when
            nothing is missing. A heartbeat that is over may have been dropped, and proves nothing.
        """
        if self.until_us is None:
            return None
        if found_us is None:
            return self.until_us - now_us if self.until_us > now_us else None
        return self.until_us - found_us if found_us < self.until_us else None

    def acknowledged(self, until_us: int) -> None:
        """The server answered a heartbeat."""
        self.until_us = until_us

    def left(self) -> None:
        """The worker left the fleet, or a clock was set: its last heartbeat is expected no more."""
        self.until_us = None
