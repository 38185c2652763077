"""How much chance there is in the tests: the profiles of Hypothesis, `short` unless told otherwise.

``make test ARGS=--hypothesis-profile=long`` looks ten times as long. A test that is written with a number of examples of its own
gives the number for `short`.
"""

from typing import Final

from hypothesis import settings

SHORT: Final = "short"
LONG: Final = "long"
# Hypothesis' own default is a hundred.
_EXAMPLES: Final = 100
_TIMES: Final = {SHORT: 1, LONG: 10}


def register() -> None:
    """Make both known, and `short` the one that holds."""
    for name, times in _TIMES.items():
        settings.register_profile(name, deadline=None, max_examples=_EXAMPLES * times)
    settings.load_profile(SHORT)


def times() -> int:
    """How many times as many examples as in `short` the profile that holds asks for."""
    return _TIMES.get(settings.get_current_profile_name(), 1)
