"""Commands as bytes: hiredis is handed texts alone."""

from typing import Any, Final

from redis.connection import HiredisRespSerializer
from redis.utils import HIREDIS_AVAILABLE


class TextPacker(HiredisRespSerializer):
    """Makes texts of numbers before hiredis does.

    A signal that arrives while hiredis makes a text of a number ends the process (SIGSEGV, hiredis 3.5.0): Python answers with the
    exception of the signal's handler, such as KeyboardInterrupt, and hiredis takes the missing text for one.
    """

    def pack(self, *args: Any) -> Any:
        """As redis-py's."""
        texts: list[Any] = [repr(arg) if type(arg) is int or type(arg) is float else arg for arg in args]
        return super().pack(*texts)


# Of each blocking connection; None: redis-py's own, where hiredis is not installed.
PACKER: Final = TextPacker() if HIREDIS_AVAILABLE else None
