"""What people did in the console, written into the history: who, what, on what, with which result."""

import logging
from typing import TYPE_CHECKING, Final

from paceline.errors import StateUnavailable
from paceline.history import Act, telling

if TYPE_CHECKING:
    from paceline_worker.console.frame import View

audit: Final = logging.getLogger("paceline.console.audit")


async def note(view: "View", act: str, subject: str, *, account: str = "", why: str = "") -> None:
    """Write down one act, into the log and the history; never a token, a phone number or a text.

    Args:
        view: the request of who acted.
        act: such as ``campaign pause``.
        subject: name or id of what was acted on, or how many.
        account: the account that it concerns, or ''.
        why: the reason that was given, or ''.
    """
    token, outbox = view.viewer.token, view.desk.outbox
    audit.info("%s %s by %s", act, subject, token.name)
    done = Act(what=act, who=f"token {token.name} ({token.id})", door="console", account=account, on=subject, why=why)
    try:
        await outbox.state.ask(telling(done, outbox.settings.history_kept))
    except StateUnavailable as error:  # the act itself is done
        audit.warning("the history could not be written: %s", error)
