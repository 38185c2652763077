"""An upload that ends early leaves nothing half-started: its campaign stays held, and says why."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from paceline.errors import InvalidRow, PacelineError
from paceline.state.calls import State


@contextmanager
def abandoned(state: State, name: str) -> Iterator[None]:
    """Around an upload: when it fails, its campaign says so.

    Args:
        state: where it lives.
        name: the campaign.
    """
    try:
        yield
    except BaseException as error:
        where = str(error) if isinstance(error, InvalidRow) else type(error).__name__
        with suppress(PacelineError):  # a state server that is away is told nothing; it says "upload in progress"
            state.control_campaign(
                "abandon",
                name,
                f"the upload ended early ({where}): upload the file again, or resume the campaign as it is",
            )
        raise
