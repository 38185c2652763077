"""How much chance there is in the tests: the profiles of Hypothesis, `short` unless told otherwise.

``make test ARGS=--hypothesis-profile=long`` is for whoever changes a script or a model. A state machine costs a second for each
few examples, so `short` takes a third of those it asks for, and finds in three runs what it would have found in one.
"""

from fractions import Fraction
from typing import Final

from hypothesis import settings

SHORT: Final = "short"
LONG: Final = "long"
# Hypothesis' own default is a hundred.
_EXAMPLES: Final = {SHORT: 50, LONG: 1000}
_OF_MACHINES: Final = {SHORT: Fraction(1, 3), LONG: Fraction(10)}


def register() -> None:
    """Make both known, and `short` the one that holds. No example has a deadline: the machine may be busy."""
    for name, examples in _EXAMPLES.items():
        settings.register_profile(name, deadline=None, max_examples=examples)
    settings.load_profile(SHORT)


def is_long() -> bool:
    """Whether the tests may take their time."""
    return settings.get_current_profile_name() == LONG


def of_a_machine(examples: int) -> int:
    """How many examples a state machine is run with, in the profile that holds.

    Args:
        examples: what it asks for.
    """
    return round(examples * _OF_MACHINES.get(settings.get_current_profile_name(), 1))
