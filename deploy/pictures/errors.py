"""What can go wrong while pictures are made.

::

    PicturesError
    └── NotRecorded         a dashboard asks for what the recording does not have
"""

from paceline.errors import PacelineError


class PicturesError(PacelineError):
    """No picture can be made; the message says why, in one sentence."""


class NotRecorded(PicturesError):
    """The dashboard has changed since it was recorded."""
