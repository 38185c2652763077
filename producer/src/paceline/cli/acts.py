"""What a command did, written into the history when it is done."""

from paceline.cli.errors import complain
from paceline.errors import StateUnavailable
from paceline.history import Act, person, role_of, telling
from paceline.settings import Settings
from paceline.state import connect_to
from paceline.state.calls import State


def remember(what: str, *, account: str = "", on: str = "", why: str = "") -> None:
    """Write an act of this command's user down; one that cannot be written is complained of, for the act is done.

    Args:
        what: the command.
        account: the account that it concerns.
        on: campaign, operation or token, or how many; never a number or a text.
        why: the reason that was given.
    """
    settings = Settings.from_environment()
    act = Act(what=what, who=person(), door="cli", role=role_of(settings), account=account, on=on, why=why)
    client = connect_to(settings)
    try:
        State(client).ask(telling(act, settings.history_kept))
    except StateUnavailable as error:
        complain(f"done, but not written into the history: {error}")
    finally:
        client.close()
