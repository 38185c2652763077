"""`paceline gateway` and `paceline tokens`."""

from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from typing import Annotated, Any, Final

import typer

from paceline.cli.acts import remember
from paceline.cli.plugins import MissingExtra
from paceline.cli.render import console, listing, local, say, say_json
from paceline.errors import InvalidOperation, NotFound
from paceline.gateway import tokens
from paceline.settings import Settings
from paceline.state import connect_to, questions
from paceline.state.calls import State

tokens_app = typer.Typer(help="Tokens of the HTTP gateway.", no_args_is_help=True)
# Requests under way at the end have so long; streams of events never end by themselves.
_PATIENCE_S: Final = 3
_AS_JSON = typer.Option("--json", help="One JSON document.")


def gateway(
    *,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on. Default: 9811.")] = 9811,
    address: Annotated[str, typer.Option("--address", help="Interface to bind to. Default: 127.0.0.1.")] = "127.0.0.1",
    rate: Annotated[
        float, typer.Option("--rate", min=0.1, help="Requests a second allowed to one token. Default: 100.")
    ] = 100.0,
    largest: Annotated[int, typer.Option("--largest", min=1024, help="Largest request in bytes. Default: 8388608.")] = 8
    * 1024
    * 1024,
    with_console: Annotated[bool, typer.Option("--console", help="Serve the console at /console/ as well.")] = False,
) -> None:
    """Serve operations, campaigns and outcomes over HTTP, for services in any language."""
    try:
        import uvicorn  # noqa: PLC0415 - of the extra `gateway`

        from paceline.gateway.app import build  # noqa: PLC0415 - imported when needed
    except ImportError as error:
        raise MissingExtra("the gateway needs its extra: pip install 'paceline[cli,gateway]'") from error

    settings = Settings.from_environment()
    pages = _console(settings) if with_console else None
    app = build(settings, rate=rate, largest_body=largest, pages=pages)
    uvicorn.run(
        app,
        host=address,
        port=port,
        log_level="info",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_PATIENCE_S,
    )


def _console(settings: Settings) -> Any:
    """The console, which another package brings."""
    for entry in entry_points(group="paceline.gateway", name="console"):
        try:
            return entry.load()(settings)
        except ImportError as error:
            raise MissingExtra("--console: needs its extra: pip install 'paceline[console]'") from error
    raise MissingExtra("--console: needs its extra: pip install 'paceline[console]'")


@tokens_app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the token: the service that uses it.")],
    scope: Annotated[
        str,
        typer.Option(
            "--scope",
            help="Rights of the token, separated by commas: send, read, campaigns, suppress, operate, numbers, history.",
        ),
    ],
    account: Annotated[
        list[str], typer.Option("--account", help="Account that the token may use, or * for all; repeatable.")
    ],
    expires: Annotated[
        str | None, typer.Option("--expires", help="Lifetime of the token, such as 90d. Default: unlimited.")
    ] = None,
    *,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Make a token, and show it once; state keeps only a digest."""
    now = datetime.now(UTC)
    chosen = [one.strip() for one in scope.split(",") if one.strip()]
    kept, token = tokens.make(name, chosen, account, now + _span(expires) if expires else None, now)
    _state().ask(questions.add_token(kept.id, tokens.written(kept)))
    remember("tokens create", account=",".join(account), on=f"{kept.id} {name}: {', '.join(sorted(kept.scopes))}")
    if as_json:
        say_json(kept.as_json() | {"token": token})
    else:
        say(token)


@tokens_app.command("list")
def list_tokens(*, as_json: Annotated[bool, _AS_JSON] = False) -> None:
    """List tokens: names, scopes and accounts, never the tokens themselves."""
    found = sorted(
        map(tokens.read, _state().ask(questions.tokens()).values()), key=lambda token: (token.name, token.id)
    )
    if as_json:
        return say_json([token.as_json() for token in found])
    rows = [
        (
            one.id,
            one.name,
            ", ".join(sorted(one.scopes)),
            ", ".join(sorted(one.accounts)),
            local(one.expires_at) if one.expires_at else "never",
        )
        for one in found
    ]
    console().print(listing(("id", "name", "scopes", "accounts", "expires"), rows))
    return None


@tokens_app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the token, as `paceline tokens list` shows it.")],
) -> None:
    """Revoke a token."""
    if _state().ask(questions.revoke_token(token_id)) == "unknown":
        raise NotFound(f"no token {token_id!r}: see `paceline tokens list`")
    remember("tokens revoke", on=token_id)
    say(f"{token_id} is revoked.")


def _state() -> State:
    return State(connect_to(Settings.from_environment(), repeat=True))


def _span(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in "dhm" or int(number) == 0 or len(number) > 6:
        raise InvalidOperation("--expires: is not a time such as 90d, 12h or 30m")
    return timedelta(**{{"d": "days", "h": "hours", "m": "minutes"}[unit]: int(number)})
