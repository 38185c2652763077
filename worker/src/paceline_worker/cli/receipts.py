"""``paceline receipts``: found by the command line through its entry point."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import redis
import typer

from paceline.cli.acts import remember
from paceline.cli.commands import example
from paceline.cli.errors import FAILURE, INTERRUPTED, complain
from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, counted, details, iso, local, say, say_json
from paceline.errors import InvalidOperation, UnknownAccount
from paceline.recipients.numbers import phone_number
from paceline.settings import Settings
from paceline.state import connect_to, translated
from paceline.state.scripts import Script
from paceline.status.receipt import RECEIPT_STATUSES
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.limiter import PacelineStorage, SlotRateLimiter
from paceline_worker.provider.client import Provider
from paceline_worker.receipts.address import address_of, checked_base, digest_of, new_token
from paceline_worker.receipts.state import Hooks
from paceline_worker.receipts.subscribing import Caller, Result, Subscriber, Subscription, SubscriptionFailed

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_BASE: Final = "--base-url https://hooks.example.com"

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]
BaseUrl = Annotated[
    str,
    typer.Option("--base-url", metavar="URL", help="Public https address of your receivers."),
]

app = typer.Typer(help="Receipts: the provider's reports on messages after they were accepted.", rich_markup_mode=None)


@app.command(epilog=example(f"paceline receipts url acme {_BASE}"))
def url(
    name: Name,
    *,
    base_url: BaseUrl,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Replace the current address; the old one then answers 404.")
    ] = False,
    json_output: Json = False,
) -> None:
    """Make the address for an account's receipts, and print it once; the address is secret and not kept.

    Use this for webhooks that you set up by hand; `paceline receipts subscribe` makes its own.

    JSON: account, url.
    """
    base = _checked(base_url)
    token = new_token()
    with _opened() as hooks:
        before = hooks.of(name).digest
        if before and not rotate:
            raise SubscriptionFailed(
                f"account {name!r} has an address already, which cannot be shown again: --rotate replaces it"
            )
        if not hooks.open(name, digest_of(token), instead_of=before, shown=True):
            raise SubscriptionFailed(f"the address of account {name!r} was changed meanwhile; try again")
    remember("receipts url --rotate" if before else "receipts url", account=name)
    address = address_of(base, name, token)
    if json_output:
        say_json({"account": name, "url": address})
    else:
        say(address)


@app.command(
    epilog=example(
        f"paceline receipts subscribe acme {_BASE}",
        f"paceline receipts subscribe acme {_BASE} --sender +15550100001 --rotate",
    )
)
def subscribe(
    name: Name,
    *,
    base_url: BaseUrl,
    sender: Annotated[
        list[str] | None,
        typer.Option(
            "--sender",
            metavar="+NUMBER",
            help="Number to subscribe; repeatable. Default: the account's senders, or all connected numbers.",
        ),
    ] = None,
    waba: Annotated[
        bool, typer.Option("--waba", help="Treat the numbers as numbers of the official Business API.")
    ] = False,
    inbound: Annotated[
        bool,
        typer.Option(
            "--inbound/--no-inbound", help="Subscribe to inbound messages too, to catch opt-out words such as STOP."
        ),
    ] = True,
    rotate: Annotated[bool, typer.Option("--rotate", help="Replace the current address.")] = False,
    json_output: Json = False,
) -> None:
    """Subscribe to receipts: the provider then posts them to your receivers.

    The command reads the provider's webhooks first, keeps existing ones, and removes outdated ones of Paceline.
    Every call takes a slot of the account: at 10/minute, one call every 6 seconds. After an interruption, repeat the
    command.

    JSON: account, subscriptions (a list of sender, event, result: subscribed, there, or taken by another address).
    """
    base = _checked(base_url)
    numbers = [_number(text) for text in dict.fromkeys(sender or ())]
    settings = Settings.from_environment()
    ring = KeyRing(settings.secret_key.get_secret_value())
    with opened_state() as state:
        picture = state.account(name)
    if picture is None:
        raise UnknownAccount(f"no account named {name!r}: see `paceline accounts list`")
    numbers = numbers or picture.account.senders.split()
    if waba and not numbers:
        raise InvalidOperation("--sender: is needed with --waba")
    done: list[Subscription] = []

    async def run() -> None:
        async with _subscriber(settings, ring, name, base) as (subscriber, hooks):
            async for one in subscriber.subscribe(hooks, numbers, waba=waba, inbound=inbound, rotate=rotate):
                done.append(one)
                if not json_output:
                    say(f"{one.number} of {one.of}: {one.wish.sender} {one.wish.event}: {_WORDS[one.result]}")
                    sys.stdout.flush()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        complain(f"interrupted after {counted(len(done), 'subscription')}; repeat the command to continue")
        raise typer.Exit(INTERRUPTED) from None
    remember("receipts subscribe", account=name, on=counted(len(done), "webhook"))
    if json_output:
        plain = [{"sender": one.wish.sender, "event": one.wish.event, "result": one.result.value} for one in done]
        say_json({"account": name, "subscriptions": plain})
    taken = Counter(one.result for one in done)[Result.TAKEN]
    if taken:
        why = "the provider already has another address for the event"
        complain(f"{counted(taken, 'webhook')} of account {name!r} cannot be made: {why}")
        raise typer.Exit(FAILURE)


_WORDS: Final = {
    Result.SUBSCRIBED: "subscribed",
    Result.THERE: "there already",
    Result.TAKEN: "goes to another address",
}


@app.command(epilog=example("paceline receipts show acme"))
def show(name: Name, *, json_output: Json = False) -> None:
    """Show the receipts of an account; never its address.

    JSON: account, open (whether it has an address), since, early (receipts whose message is still unknown), messages (sent,
    not_sent, received, read: how many; who has read a message has received it).
    """
    with _opened() as hooks:
        hook = hooks.of(name)
    if json_output:
        plain: dict[str, Any] = {"account": name, "open": bool(hook.digest), "since": iso(hook.since)}
        say_json(plain | {"early": hook.early, "messages": dict(hook.counts)})
        return
    taken = f"open since {local(hook.since)}" if hook.digest and hook.since else "closed: the account has no address"
    counts = [(status.replace("_", " "), hook.counts[status]) for status in RECEIPT_STATUSES]
    console().print(details([("account", name), ("receipts", taken), *counts, ("early", hook.early or None)]))


@app.command(epilog=example("paceline receipts off acme"))
def off(name: Name) -> None:
    """Close the address of an account; it then answers 404. The provider's webhooks stay as they are."""
    with _opened() as hooks:
        had = hooks.close(name)
    if had:
        remember("receipts off", account=name)
    say(f"Account {name} no longer accepts receipts." if had else f"Account {name} has no address.")


def _checked(base_url: str) -> str:
    base = checked_base(base_url)
    parts = urlsplit(base)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        complain("--base-url: is not https, so anybody who reads the traffic can forge receipts")
    return base


def _number(text: str) -> str:
    try:
        return phone_number(text)
    except ValueError as error:
        raise InvalidOperation(f"--sender: {text} {error}") from error


@asynccontextmanager
async def _subscriber(
    settings: Settings, ring: KeyRing, name: str, base: str
) -> AsyncIterator[tuple[Subscriber, Hooks]]:
    client = connect_to(settings)
    limiter = SlotRateLimiter(PacelineStorage(f"paceline+{settings.state_url}", namespace=settings.namespace))
    provider = Provider(settings.api_base, deadline_s=settings.http_deadline_s, connections=1)
    try:
        caller = Caller(client, limiter, provider, name, _key(client, ring, name))
        yield Subscriber(caller.call, name, base), Hooks(client)
    finally:
        await provider.close()
        client.close()


@translated
def _key(client: redis.Redis, ring: KeyRing, name: str) -> ApiKey:
    found = Script("paceline_worker", "account").run(client, "key", name)
    text, version = found if isinstance(found, list) else ("", 0)  # removed in this moment
    return ring.decrypt(text or "", name, int(version or 0))


@contextmanager
def _opened() -> Iterator[Hooks]:
    # No command is repeated: the reply to a repeated one would say that somebody else had changed it.
    client = connect_to(Settings.from_environment())
    try:
        yield Hooks(client)
    finally:
        client.close()
