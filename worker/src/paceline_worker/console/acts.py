"""What people did in the console, written down: who, what, on what, with which result; in the log and in the history."""

import logging
from typing import Final

from paceline.gateway.guard import remember
from paceline_worker.console.frame import View

audit: Final = logging.getLogger("paceline.console.audit")
# As the history calls the same acts of the command line.
_COMMANDS: Final = {
    "account suspend": "accounts suspend",
    "account resume": "accounts resume",
    "held release": "unknown release",
    "held drop": "unknown drop",
    "operation cancel": "cancel",
}


async def note(view: View, act: str, subject: str, result: str = "done", *, why: str = "") -> None:
    """Write down one act; never a token, a phone number or a text.

    Args:
        view: of who acted.
        act: such as ``campaign pause``.
        subject: name or id of what was acted on.
        result: ``done``, or a short word of what became of the act.
        why: the reason that was given; in the history only.
    """
    token = view.viewer.token
    audit.info("%s %s by %s: %s", act, subject, token.name, result)
    if result == "done":
        account = subject if act.startswith("account ") else ""
        what = _COMMANDS.get(act, act)
        await remember(view.desk.outbox, token, what, account=account, on=subject, why=why, door="console")
