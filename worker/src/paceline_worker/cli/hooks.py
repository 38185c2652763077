"""``paceline hooks``: found by the command line through its entry point."""

import asyncio
import secrets as tokens
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from paceline.cli.acts import remember
from paceline.cli.commands import example
from paceline.cli.errors import FAILURE, complain
from paceline.cli.options import Json
from paceline.cli.render import console, counted, details, duration, iso, listing, local, say, say_json
from paceline.errors import NotFound
from paceline.outcomes import Outcomes
from paceline.settings import Settings
from paceline.state import connect_to, translating
from paceline.state.shards import require_one
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.cli import hook_runner
from paceline_worker.cli.spans import SPAN, span
from paceline_worker.hooks import hook as hooks
from paceline_worker.hooks.event import TEST, written
from paceline_worker.hooks.hook import EVENT_TYPES
from paceline_worker.hooks.policy import Answer
from paceline_worker.hooks.posting import Poster
from paceline_worker.hooks.review import dead_since, events_of, queue, revive, state_in_words
from paceline_worker.hooks.secrets import Secrets, new_secret, seal, unseal
from paceline_worker.hooks.state import HookBook
from paceline_worker.hooks.stored import StoredHook

_ID: Final = "hook-3f2a91bc"
_OVERLAP: Final = "24h"
_MOST_DEAD: Final = 1000

Id = Annotated[str, typer.Argument(metavar="ID", help="Hook id, as `paceline hooks list` shows it.")]
Accounts = typer.Option("--account", metavar="NAME", help="Account whose events are posted, or * for all; repeatable.")
Events = typer.Option(
    "--events", metavar="TYPES", help=f"Types of events, separated by commas: {', '.join(EVENT_TYPES)}."
)
Private = Annotated[bool, typer.Option("--allow-private", help="Allow http and private addresses, for test set-ups.")]

app = typer.Typer(
    help="Webhooks out: post signed events to other services.", rich_markup_mode=None, no_args_is_help=True
)
dead_app = typer.Typer(help="Events that were given up after their last try.", no_args_is_help=True)
app.add_typer(dead_app, name="dead")
app.command("run", epilog=example("paceline hooks run", "paceline hooks run --metrics-port 0"))(hook_runner.run)


@app.command(
    epilog=example(
        "paceline hooks add https://shop.example.com/paceline --account acme \\",
        "  --events settled,delivered,campaign.completed",
    )
)
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address that takes POST requests; https.")],
    *,
    account: Annotated[list[str], Accounts],
    events: Annotated[str, Events],
    with_recipients: Annotated[
        bool, typer.Option("--with-recipients", help="Put the recipient into each body. Default: no.")
    ] = False,
    allow_private: Private = False,
    json_output: Json = False,
) -> None:
    """Post events to an address from now on; print the signing secret once.

    JSON: id, url, accounts, events, with_recipients, secret.
    """
    about = hooks.make(url, account, _types(events), with_recipients=with_recipients, allow_private=allow_private)
    ring, secret = _ring(), new_secret()
    with _opened() as book:
        hook = f"hook-{tokens.token_hex(4)}"
        while not book.add(hook, about, seal(ring, hook, 0, Secrets(secret))):
            hook = f"hook-{tokens.token_hex(4)}"
    remember("hooks add", account=",".join(sorted(about.accounts)), on=hook)
    if json_output:
        say_json({"id": hook, **about.as_json(), "secret": secret})
        return
    say(f"{hook} is added. Its secret, shown once:")
    say(secret)


@app.command("list", epilog=example("paceline hooks list", "paceline hooks list --json"))
def list_(*, json_output: Json = False) -> None:
    """List hooks with their backlog and health.

    JSON: a list of id, url, accounts, events, with_recipients, disabled, breaker_open, waiting, dead, oldest, delivered,
    gaps, runner, words.
    """
    with _opened() as book:
        look = book.all()
    found = list(look.hooks.values())
    if json_output:
        say_json([one.as_json() for one in found])
        return
    if not found:
        say("No hooks: add one with `paceline hooks add URL`.")
        return
    rows = [
        (one.id, one.hook.url, ", ".join(one.hook.as_json()["events"]), one.waiting, one.dead, state_in_words(one))
        for one in found
    ]
    table = listing(("hook", "address", "events", "waiting", "dead", "state"), rows)
    table.columns[0].no_wrap = True  # to be copied
    console().print(table)
    if not look.runners:
        say("No runner serves hooks: start `paceline hooks run`.")


@app.command(epilog=example(f"paceline hooks show {_ID}"))
def show(hook: Id, *, json_output: Json = False) -> None:
    """Show one hook; never its secret.

    JSON: the fields of `paceline hooks list`.
    """
    with _opened() as book:
        found = book.one(hook)
    if json_output:
        say_json(found.as_json())
        return
    about = found.hook
    facts: list[tuple[str, Any]] = [
        ("hook", found.id),
        ("address", about.url),
        ("accounts", ", ".join(sorted(about.accounts))),
        ("events", ", ".join(about.as_json()["events"])),
        ("recipients", "in each body" if about.with_recipients else "not in bodies"),
        ("state", state_in_words(found)),
        ("waiting", found.waiting),
        ("oldest since", local(found.oldest) if found.oldest else None),
        ("delivered", found.delivered),
        ("dead", found.dead),
        ("gaps", found.gaps or None),
        ("runner", found.owner or None),
        ("last failure", found.words or None),
    ]
    console().print(details(facts))


@app.command(epilog=example(f"paceline hooks change {_ID} --events settled", f"paceline hooks change {_ID} --enable"))
def change(
    hook: Id,
    *,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="New address; https.")] = None,
    account: Annotated[list[str] | None, Accounts] = None,
    events: Annotated[str | None, Events] = None,
    with_recipients: Annotated[
        bool | None, typer.Option("--with-recipients/--without-recipients", help="Put the recipient into each body.")
    ] = None,
    enable: Annotated[
        bool | None,
        typer.Option("--enable/--disable", help="Enable or disable the hook; a disabled hook posts nothing."),
    ] = None,
    allow_private: Private = False,
) -> None:
    """Change address, events or state of a hook. Waiting events keep their bodies."""
    with _opened() as book:
        before = book.one(hook).hook
        about = hooks.changed(
            before,
            url=hooks.checked_url(url, allow_private=allow_private) if url else None,
            accounts=frozenset(account) if account else None,
            events=frozenset(_types(events)) if events is not None else None,
            with_recipients=with_recipients,
        )
        if about.url == before.url:
            allow_private = True  # it was taken as it is
        hooks.make(
            about.url,
            about.accounts,
            about.events,
            with_recipients=about.with_recipients,
            allow_private=allow_private,
        )
        book.change(hook, before, about, enabled=enable)
    remember("hooks change", on=hook)
    say(f"{hook} is changed.")


@app.command(epilog=example(f"paceline hooks remove {_ID}"))
def remove(hook: Id) -> None:
    """Remove a hook with its waiting events."""
    with _opened() as book:
        book.remove(hook)
    remember("hooks remove", on=hook)
    say(f"{hook} is removed.")


@app.command(epilog=example(f"paceline hooks rotate {_ID}", f"paceline hooks rotate {_ID} --overlap 0s"))
def rotate(
    hook: Id,
    *,
    overlap: Annotated[
        str,
        typer.Option("--overlap", metavar=SPAN, help=f"Time for which the old secret also signs. Default: {_OVERLAP}."),
    ] = _OVERLAP,
    same_secret: Annotated[
        bool,
        typer.Option("--same-secret", help="Keep the secret, and seal it under the first key of PACELINE_SECRET_KEY."),
    ] = False,
    json_output: Json = False,
) -> None:
    """Replace the secret and print the new one, once. Both sign until the overlap is over.

    JSON: id, secret, both_until.
    """
    kept, ring, now = span("--overlap", overlap), _ring(), datetime.now(UTC)
    with _opened() as book:
        while True:
            stored = book.one(hook)
            before = _secrets(book, ring, stored)
            following = before if same_secret else before.rotated(kept, now)
            if book.seal(hook, stored.serial, seal(ring, hook, stored.serial + 1, following)):
                break

    remember("hooks rotate --same-secret" if same_secret else "hooks rotate", on=hook)
    if same_secret:
        say(f"The secret of {hook} is sealed again.")
        return

    if json_output:
        say_json({"id": hook, "secret": following.current, "both_until": iso(now + kept)})
        return

    say(f"{hook} has a new secret, shown once; the old one signs as well until {local(now + kept)}:")
    say(following.current)


@app.command("test", epilog=example(f"paceline hooks test {_ID}"))
def try_(hook: Id, *, allow_private: Private = False, json_output: Json = False) -> None:
    """Post one signed event of type `test` from this machine, and print the answer. Exit code 1 unless the answer is 2xx.

    JSON: id, event, result, words.
    """
    ring = _ring()
    with _opened() as book:
        stored = book.one(hook)
        secrets = _secrets(book, ring, stored)
    event, now = f"evt_test_{tokens.token_hex(8)}", datetime.now(UTC)
    body = written(TEST, now.isoformat(), {"hook": hook})
    answer = asyncio.run(_posted(stored.hook.url, body, secrets.headers(event, body, now), allow_private=allow_private))
    if json_output:
        say_json({"id": hook, "event": event, "result": answer.result, "words": answer.words})
    elif answer.result == "delivered":
        say(f"{event} is delivered: {answer.words}.")
    else:
        complain(f"{stored.hook.url} did not take {event}: {answer.words}")
    if answer.result != "delivered":
        raise typer.Exit(FAILURE)


@app.command(
    epilog=example(f"paceline hooks replay {_ID} --since 2h", f"paceline hooks replay {_ID} --since 3d --dead")
)
def replay(
    hook: Id,
    *,
    since: Annotated[str, typer.Option("--since", metavar=SPAN, help="Age of the oldest event, such as 2h or 3d.")],
    dead: Annotated[bool, typer.Option("--dead", help="Replay only dead events.")] = False,
    json_output: Json = False,
) -> None:
    """Post events again: kept entries of the stream of outcomes, and dead events. Each keeps its id.

    JSON: id, queued.
    """
    began = datetime.now(UTC) - span("--since", since)
    with _opened() as book:
        queued = revive(book, hook, dead_since(book, hook, began))
        if not dead:
            queued += queue(book, hook, events_of(book, hook, _outcomes().each(since=began, receipts=True)))
    remember("hooks replay", on=f"{hook}: {counted(queued, 'event')}")
    if json_output:
        say_json({"id": hook, "queued": queued})
    else:
        say(f"{counted(queued, 'event')} will be posted to {hook} again.")


@dead_app.command("list", epilog=example(f"paceline hooks dead list {_ID}"))
def dead_list(
    hook: Id,
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=_MOST_DEAD, help="Greatest number to list. Default: 100.")
    ] = 100,
    json_output: Json = False,
) -> None:
    """List dead events, oldest first. `paceline hooks replay --dead` posts them again.

    JSON: a list of id, since, tries, words, event (the body).
    """
    with _opened() as book:
        found = book.dead(hook, 0, limit)
        total = book.one(hook).dead

    if json_output:
        say_json([one.as_json() for one in found])
        return

    if not found:
        say("No dead events.")
        return

    now = datetime.now(UTC)
    rows = [
        (one.id, one.as_json()["event"]["type"], f"{duration(now - one.since)} ago", one.tries, one.words)
        for one in found
    ]
    table = listing(("event", "type", "given up", "tries", "last words"), rows)
    table.columns[0].no_wrap = True  # to be copied
    console().print(table)
    if total > len(rows):
        say(f"The oldest {len(rows):,} of {counted(total, 'event')}; --limit lists more.")


def _types(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _secrets(book: HookBook, ring: KeyRing, stored: StoredHook) -> Secrets:
    sealed = book.secrets(stored.id)
    if not sealed:
        raise NotFound(f"no hook {stored.id!r}: see `paceline hooks list`")
    return unseal(ring, stored.id, stored.serial, sealed)


async def _posted(url: str, body: str, headers: dict[str, str], *, allow_private: bool) -> Answer:
    async with Poster(allow_private=allow_private) as poster:
        return await poster.post(url, body, headers)


def _ring() -> KeyRing:
    return KeyRing(Settings.from_environment().secret_key.get_secret_value())


def _outcomes() -> Outcomes:
    return Outcomes(connect_to(Settings.from_environment(), repeat=True))


@contextmanager
def _opened() -> Iterator[HookBook]:
    client = connect_to(Settings.from_environment(), repeat=True)
    try:
        with translating():
            require_one(client, "webhooks out")
        yield HookBook(client)
    finally:
        client.close()
