"""What holds for an operation that does not say otherwise."""

from datetime import timedelta
from typing import Final

# A day: a message that could not leave by then is usually no longer wanted.
DEFAULT_VALIDITY: Final = timedelta(hours=24)
DEFAULT_MAX_ATTEMPTS: Final = 8
