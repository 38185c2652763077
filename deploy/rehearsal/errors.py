"""Errors of a rehearsal."""

from paceline.errors import PacelineError


class RehearsalError(PacelineError):
    """The rehearsal cannot go on; the message says why, in one sentence."""
