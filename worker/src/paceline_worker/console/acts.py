"""What people did in the console, written down: who, what, on what, with which result."""

import logging
from typing import Final

from paceline_worker.console.session import Viewer

audit: Final = logging.getLogger("paceline.console.audit")


def note(viewer: Viewer, act: str, subject: str, result: str = "done") -> None:
    """Write down one act; never a token, a phone number or a text.

    Args:
        viewer: who acted.
        act: such as ``campaign pause``.
        subject: name or id of what was acted on.
        result: ``done``, or a short word of what became of the act.
    """
    audit.info("%s %s by %s: %s", act, subject, viewer.token.name, result)
