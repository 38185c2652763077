"""``paceline secret rotate``: found by the command line when it is called."""

from contextlib import closing
from typing import Any

import typer

from paceline.cli.acts import remember
from paceline.cli.errors import FAILURE, INTERRUPTED, complain
from paceline.cli.render import counted, say, say_json
from paceline.errors import NotFound
from paceline.settings import Settings
from paceline.state import connect_to, translating
from paceline_worker.accounts.rotation import Rotation, Standing
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.integrity.stored import StoredSeals


def rotate(*, status: bool, json_output: bool) -> None:
    """Encrypt again, or say how far that is.

    Args:
        status: change nothing.
        json_output: print JSON.
    """
    settings = Settings.from_environment()
    ring = KeyRing(settings.secret_key.get_secret_value())
    done = 0

    def note(number: int) -> None:
        nonlocal done
        done = number

    with closing(connect_to(settings, repeat=True)) as client, translating():
        rotation = Rotation(client, ring)
        if not status:
            try:
                rotation.run(note)
            except KeyboardInterrupt:
                complain(f"interrupted with {done:,} encrypted again; repeat the command to continue")
                raise typer.Exit(INTERRUPTED) from None
            finally:
                if done:
                    remember("secret rotate", on=f"{done:,} encrypted again")
        found = rotation.standing()
    plain: dict[str, Any] = found.as_json() | ({} if status else {"encrypted_anew": done})
    if json_output:
        say_json(plain)
    else:
        _tell(found, None if status else done)
    for account in found.unreadable:
        what, remedy = f"API key of account {account}", f"paceline accounts rotate {account}"
        if account.startswith("hook:"):
            what, remedy = f"secret of {account}", "make the hook again"
        complain(f"no secret opens the {what}: {remedy}")
    if found.unreadable:
        raise typer.Exit(FAILURE)


def public() -> None:
    """Print the public key of the payloads."""
    settings = Settings.from_environment()
    with closing(connect_to(settings, repeat=True)) as client, translating():
        seals = StoredSeals(client, KeyRing(settings.secret_key.get_secret_value())).seen()
    if seals is None:
        raise NotFound("state has no keys yet: start a worker first")
    say(seals.payloads.public)


def _tell(found: Standing, done: int | None) -> None:
    if done is not None:
        say(f"{done:,} encrypted again.")
    say(
        f"{found.newest:,} of {found.newest + found.older + len(found.unreadable):,} are encrypted under the newest secret."
    )
    say(f"{found.workers - len(found.behind):,} of {counted(found.workers, 'live worker')} have it.")
    if found.behind:
        say(f"Without it: {', '.join(found.behind[:5])}. Restart them with both secrets, the newer first.")
    elif found.is_complete:
        say("The older secrets may be taken out of PACELINE_SECRET_KEY. Backups made before still need them.")
