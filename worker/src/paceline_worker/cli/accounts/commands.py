"""``paceline accounts``: found by the command line through its entry point."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from paceline.cli.acts import remember
from paceline.cli.commands import example
from paceline.cli.errors import FAILURE, complain, named_as_options
from paceline.cli.options import opened_state
from paceline.cli.render import counted, say
from paceline.errors import InvalidOperation, PacelineError, UnknownAccount
from paceline.settings import Settings
from paceline.state import connect_to
from paceline_worker.accounts.account import DEFAULT_BUDGETS, usable
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.rows import variation as variation_of
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.cli.accounts import many, show
from paceline_worker.cli.accounts.key import ApiKeyVariable, asked, key_from, refuse_shared
from paceline_worker.cli.accounts.options import (
    Budget,
    Limit,
    Name,
    Pace,
    PacingChoice,
    Reserve,
    TreatAs,
    Variation,
)
from paceline_worker.cli.accounts.view import by_kind, limit_in_words, pace_in_words
from paceline_worker.pacing.bucket import Variation as VariationTime

app = typer.Typer(help="Accounts: 2Chat API keys under names, each with its limits.", rich_markup_mode=None)


@app.command(
    epilog=example(
        "paceline accounts add acme < key.txt",
        'ACME_KEY=... paceline accounts add acme --limit "10/minute; 1000/day" --api-key-env ACME_KEY',
    )
)
def add(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name for the account: letters, digits, dot, dash, underscore.")
    ],
    *,
    limit: Limit = None,
    pacing: Pace = PacingChoice.spacing,
    variation: Variation = None,
    budget: Budget = None,
    treat_503_as: TreatAs = None,
    reserve: Reserve = None,
    sender: Annotated[
        list[str] | None,
        typer.Option("--sender", metavar="+NUMBER", help="Number that may send; repeatable. Default: any number."),
    ] = None,
    api_key_env: ApiKeyVariable = None,
    no_info: Annotated[
        bool, typer.Option("--no-info", help="Add the account without asking the provider; a worker asks later.")
    ] = False,
) -> None:
    """Add a 2Chat API key under a name.

    The command asks the provider for the account's own limit (GET /info), which also shows whether the key works.
    Workers ask again every 15 minutes. --limit is a ceiling, and required when the provider does not answer.

    The key comes from the variable VAR, or as one line from stdin (hidden when typed); never from an argument.
    State keeps the key encrypted under PACELINE_SECRET_KEY.
    """
    settings = Settings.from_environment()
    ring = KeyRing(settings.secret_key.get_secret_value())
    options: dict[str, Any] = {
        "rates": limit or "",
        "pacing": pacing.value,
        "variation": "auto" if variation is None else _variation(variation),
        "senders": sender or (),
        "budgets": {**DEFAULT_BUDGETS, **_budgets(budget or ())},
        "treat_503_as": treat_503_as.value if treat_503_as else "overloaded",
        "reserve": reserve or 0,
    }
    with _opened() as accounts, named_as_options(name="NAME", budget="--budget"):
        accounts.check(name, **options)
        key = usable(key_from(name, api_key_env))
        refuse_shared(key, ring)
        info = None if no_info else asked(settings, key, needed=limit is None)
        accounts.add(name, key, ring=ring, info=info, **options)
    remember("accounts add", account=name)
    _say_pace(name, "is added")


@app.command(
    epilog=example(
        "paceline accounts change acme --limit 80/minute --pacing window",
        "paceline accounts change acme --budget group.create=10/day",
        "paceline accounts change acme --recipient-cap 2/week --remember 30d",
    )
)
def change(
    name: Name,
    *,
    limit: Limit = None,
    pacing: Annotated[PacingChoice | None, typer.Option("--pacing", help="Pacing: spacing or window.")] = None,
    variation: Variation = None,
    budget: Budget = None,
    treat_503_as: TreatAs = None,
    reserve: Reserve = None,
    recipient_cap: Annotated[
        str | None,
        typer.Option(
            "--recipient-cap",
            metavar="RATE",
            help="Most bulk messages to one recipient: 2/week. '' removes the cap.",
        ),
    ] = None,
    remember_for: Annotated[
        str | None,
        typer.Option(
            "--remember",
            metavar="SPAN",
            help="Span for which the account remembers bulk recipients: 7d, for `--not-within`.",
        ),
    ] = None,
) -> None:
    """Change limits or options of an account at once; the time of its next slot stays.

    Options that are not given stay, budgets of other kinds included. --limit '' removes the ceiling.
    """
    with _opened() as accounts, named_as_options(budget="--budget"):
        accounts.change(
            name,
            rates=limit,
            pacing=pacing.value if pacing else None,
            variation=_variation(variation),
            budgets=_budgets(budget) if budget else None,
            treat_503_as=treat_503_as.value if treat_503_as else None,
            reserve=reserve,
            recipient_cap=recipient_cap,
            remember=remember_for,
        )
    given = {"limit": limit, "pacing": pacing, "variation": variation, "budget": budget, "treat-503-as": treat_503_as}
    more = {"reserve": reserve, "recipient-cap": recipient_cap, "remember": remember_for}
    changed = [option for option, value in {**given, **more}.items() if value is not None]
    remember("accounts change", account=name, on=", ".join(changed))
    _say_pace(name, "is changed")


def _budgets(given: Sequence[str]) -> dict[str, str]:
    if not all("=" in text for text in given):
        raise InvalidOperation("--budget: is not KIND=RATE such as group.create=30/day")
    parts = (text.split("=", 1) for text in given)
    return by_kind((kind.strip(), rate) for kind, rate in parts)


def _say_pace(name: str, what: str) -> None:
    with opened_state() as state:
        picture = state.account(name)
    pace = f": {limit_in_words(picture.account)}, {pace_in_words(picture.account)}" if picture else ""
    say(f"Account {name} {what}{pace}.")


def _variation(text: str | None) -> VariationTime | None:
    if text is None:
        return None
    with named_as_options():
        return variation_of(text)


app.command("list", epilog=example("paceline accounts list --json"))(show.list_)
app.command(epilog=example("paceline accounts show acme"))(show.show)


@app.command(epilog=example("paceline accounts suspend acme --reason 'number under review'"))
def suspend(
    name: Name,
    *,
    reason: Annotated[
        str, typer.Option("--reason", help="Reason, which `accounts show` and `explain` show.")
    ] = "by hand",
) -> None:
    """Suspend an account: nothing leaves, its backlog stays, and calls under way finish."""
    if not reason.strip():
        raise InvalidOperation("--reason: is empty")
    with _opened() as accounts:
        accounts.suspend(name, reason)
    remember("accounts suspend", account=name, why=reason)
    say(f"Account {name} is suspended: {reason}.")


@app.command(epilog=example("paceline accounts resume acme"))
def resume(name: Name) -> None:
    """End a suspension or a throttling pause."""
    with _opened() as accounts:
        accounts.resume(name)
    remember("accounts resume", account=name)
    say(f"Account {name} sends again.")


@app.command(
    epilog=example(
        "paceline accounts rotate acme < key.txt",
        "paceline accounts rotate --same-key                # all accounts: see docs/operating.md, the secret key",
    )
)
def rotate(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of the account. With --same-key optional: all accounts.")
    ] = None,
    *,
    api_key_env: ApiKeyVariable = None,
    same_key: Annotated[
        bool,
        typer.Option("--same-key", help="Keep the key, and encrypt it under the first value of PACELINE_SECRET_KEY."),
    ] = False,
    no_info: Annotated[bool, typer.Option("--no-info", help="Skip the check of the key with the provider.")] = False,
) -> None:
    """Replace the API key of an account at once: backlog, limits and history stay, and no call is lost.

    The key is read as in `accounts add`, and the command asks the provider whether the key works (GET /info). Calls
    under way end with the old key, so revoke the old key a little later. An account that is suspended because its
    key was refused sends again.
    """
    if same_key:
        if api_key_env:
            raise InvalidOperation("--same-key: leave --api-key-env out")
        _encrypt_anew(name)
        return

    if name is None:
        raise InvalidOperation("NAME: is missing (all accounts only with --same-key)")

    settings = Settings.from_environment()
    ring = KeyRing(settings.secret_key.get_secret_value())

    with opened_state() as state:
        if state.account(name) is None:  # before a key is asked for
            raise UnknownAccount(f"no account named {name!r}: see `paceline accounts list`")

    key = usable(key_from(name, api_key_env))
    refuse_shared(key, ring, name)
    if not no_info:
        asked(settings, key, needed=False)

    with _opened() as accounts:
        accounts.rotate(name, key, ring=ring)

    remember("accounts rotate", account=name)
    say(f"Account {name} has its new key.")


def _encrypt_anew(name: str | None) -> None:
    ring = KeyRing(Settings.from_environment().secret_key.get_secret_value())
    with opened_state() as state:
        names = state.accounts() if name is None else [name]
    done = 0
    try:
        with _opened() as accounts:
            for one in names:
                try:
                    accounts.rotate(one, None, ring=ring)
                    done += 1
                except PacelineError as error:  # the others must not wait for it
                    complain(str(error))
    finally:
        if done:
            remember("accounts rotate --same-key", account=name or "", on=counted(done, "key"))
    say(f"{counted(done, 'key')} encrypted again.")
    if done < len(names):
        raise typer.Exit(FAILURE)


@app.command(epilog=example("paceline accounts remove acme"))
def remove(name: Name) -> None:
    """Remove an account that has no unsettled operations."""
    with _opened() as accounts:
        accounts.remove(name)
    remember("accounts remove", account=name)
    say(f"Account {name} is removed.")


app.command(
    "import",
    epilog=example(
        "paceline accounts import accounts.csv --dry-run",
        "paceline accounts import accounts.jsonl --limit 10/minute --no-info",
    ),
)(many.import_)
app.command("export", epilog=example("paceline accounts export --output accounts.csv"))(many.export)


@contextmanager
def _opened() -> Iterator[Accounts]:
    client = connect_to(Settings.from_environment())
    try:
        yield Accounts(client)
    finally:
        client.close()
