"""The frame of the sandbox's pages: the look of the console, everything from outside escaped."""

import html
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final
from urllib.parse import quote

from paceline.look import version
from paceline_sandbox.console.buttons import BUTTONS
from paceline_sandbox.console.inbox import Message, Thread, newest, threads
from paceline_sandbox.provider import Provider

# A page is for reading: beyond this many lines the JSON reports are the better tool.
LINES_SHOWN: Final = 100
_MESSAGES_SHOWN: Final = 60
_HERE: Final = ' aria-current="page"'
_FRAME: Final = """<!doctype html>
<html lang="en" data-theme="auto"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<meta name="htmx-config" content='{{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true}}'>
<title>{title} · Paceline sandbox</title>
<link rel="icon" href="{assets}/mark.svg" type="image/svg+xml"><link rel="stylesheet" href="{assets}/paceline.css">
<script src="{assets}/htmx.min.js" defer></script><script src="{assets}/idiomorph.min.js" defer></script>
<script src="{assets}/paceline.js" defer></script></head><body>
<a class="skip" href="#content">Skip to content</a>
<header class="rail"><a class="brand" href="/"><img src="{assets}/mark.svg" alt="" width="26" height="26"><span>Sandbox</span></a>
<nav aria-label="Pages"><ul>{menu}</ul></nav>
<div class="who"><p class="quiet small">The emulated 2Chat API. Nothing leaves this machine, except receipts to the addresses
that you subscribe.</p></div></header>
<main id="content" tabindex="-1">{body}</main></body></html>
"""
_MENU: Final = (
    ("/", "Inbox"),
    ("/guide", "Guide"),
    ("/sandbox/report", "Report"),
    ("/sandbox/arrivals", "Arrivals"),
    ("/sandbox/receipts", "Receipts"),
    ("/sandbox/scenario", "Scenario"),
)


def framed(title: str, path: str, body: str) -> str:
    """A page.

    Args:
        title: of the window.
        path: of the page, for the menu.
        body: HTML.
    """
    entries = (f'<li><a href="{to}"{_HERE if to == path else ""}>{name}</a></li>' for to, name in _MENU)
    return _FRAME.format(title=escaped(title), assets=f"/sandbox/static/{version()}", menu="".join(entries), body=body)


def escaped(text: object) -> str:
    """A text from outside as HTML."""
    return html.escape(str(text))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of as many rows as are good to read, or a word that there are none."""
    shown = list(islice(rows, LINES_SHOWN))
    if not shown:
        return '<div class="empty"><p>None yet.</p></div>'
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in heads)
    lines = ("".join(f"<td>{escaped(cell)}</td>" for cell in row) for row in shown)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table class="list"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def inbox_page(provider: Provider, to: str, problem: str = "") -> str:
    """The inbox with its buttons.

    Args:
        provider: what is shown.
        to: only messages to this number or group; '' all.
        problem: what was wrong with the last press of a button.
    """
    told = f'<p class="problem" role="alert">{escaped(problem)}</p>' if problem else ""
    head = (
        '<div class="head"><div><h1>Inbox</h1><p class="lead">Messages as the recipients would get them.</p></div>'
        '<div class="head-side"><span class="pulse" data-pulse hidden>Live</span></div></div>'
    )
    live = f'<div id="live" data-live="/sandbox/live?to={escaped(_quoted(to))}">{inbox_part(provider, to)}</div>'
    return framed("Inbox", "/", head + told + _buttons(provider) + live)


def inbox_part(provider: Provider, to: str) -> str:
    """The part of the inbox that changes.

    Args:
        provider: what is shown.
        to: as for `inbox_page`.
    """
    every = newest(provider.journal)
    shown = [message for message in every if not to or message.to == to][:_MESSAGES_SHOWN]
    counts = _tiles(provider, every)
    if not every:
        words = "Point Paceline, or any client, at this sandbox: the guide shows how."
        return (
            f'{counts}<div class="empty"><p class="empty-title">No messages yet</p><p>{words}</p>'
            '<p><a class="button" href="/guide">Guide</a></p></div>'
        )
    return f'{counts}<div class="two inbox">{_threads(threads(every), to)}{_messages(shown, to)}</div>'


def _tiles(provider: Provider, every: Sequence[Message]) -> str:
    faults = len(provider.scenario.faults)
    numbers = (
        ("Requests", len(provider.journal), ""),
        ("Accepted, of the last", sum(message.accepted for message in every), "good"),
        ("Refused or cut, of the last", sum(not message.accepted for message in every), "bad" if faults else ""),
        ("Faults in force", faults, "warn" if faults else ""),
    )
    tiles = (
        f'<div class="tile {kind}"><p class="tile-label">{name}</p><p class="tile-value">{number:,}</p></div>'
        for name, number, kind in numbers
    )
    return f'<section class="tiles" aria-label="Figures">{"".join(tiles)}</section>'


def _threads(found: Sequence[Thread], to: str) -> str:
    rows = "".join(
        f'<li><div class="row-head"><a href="/?to={escaped(_quoted(thread.to))}"'
        f"{_HERE if to and thread.to == to else ''}>"
        f'{escaped(thread.to or "no recipient")}</a><span class="num quiet">{thread.number}</span></div>'
        f'<p class="quiet small clip">{escaped(thread.last.text[:90] or thread.last.kind)}</p></li>'
        for thread in found[:LINES_SHOWN]
    )
    back = '<p><a class="button small" href="/">All</a></p>' if to else ""
    title = '<h2 id="who">Conversations</h2>'
    return f'<section class="card" aria-labelledby="who">{title}{back}<ul class="rows">{rows}</ul></section>'


def _messages(shown: Sequence[Message], to: str) -> str:
    title = f"To {escaped(to)}" if to else "Newest messages"
    items = "".join(_message(message) for message in shown)
    head = f'<h2 id="msgs">{title}</h2>'
    return f'<section class="card" aria-labelledby="msgs">{head}<div class="bubbles one">{items}</div></section>'


def _message(message: Message) -> str:
    at = datetime.fromtimestamp(message.at_us / 1e6, UTC).strftime("%H:%M:%S")
    kind = "good" if message.accepted else "bad" if message.status is not None or message.fault else "quiet"
    status = message.status if message.status is not None else ("cut" if message.fault else "in work")
    refused = "" if message.accepted else " refused"
    link = f'<p class="quiet small break">{escaped(message.url)}</p>' if message.url else ""
    fault = f' <span class="quiet">fault: {escaped(message.fault)}</span>' if message.fault else ""
    return (
        f'<figure id="m{message.index}"><figcaption class="quiet small">{at} UTC, {escaped(message.sender or "no sender")} to '
        f'{escaped(message.to or message.kind)} <span class="badge {kind}">{escaped(status)}</span>{fault}</figcaption>'
        f'<div class="bubble{refused}">{escaped(message.text or message.kind)}</div>{link}</figure>'
    )


def _buttons(provider: Provider) -> str:
    plain = "".join(
        f'<button class="button small" name="act" value="{name}">{escaped(BUTTONS[name].name)}</button>'
        for name in ("429", "503", "422", "outage", "calm")
    )
    latency = f"{provider.scenario.latency_ms:g}"
    return (
        '<section class="card acts" aria-labelledby="trouble"><h2 id="trouble">Make trouble</h2>'
        f'<form method="post" action="/sandbox/press" class="buttons">{plain}</form>'
        '<div class="knobs"><form method="post" action="/sandbox/press" class="knob">'
        '<div class="field"><label for="latency">Latency, milliseconds</label>'
        f'<input id="latency" name="typed" inputmode="numeric" value="{escaped(latency)}"></div>'
        '<button class="button" name="act" value="latency">Set</button></form>'
        '<form method="post" action="/sandbox/press" class="knob"><div class="field">'
        '<label for="ban">Sender to ban</label><input id="ban" name="typed" placeholder="+15550100001"></div>'
        '<button class="button danger" name="act" value="ban">Ban</button></form>'
        '<form method="post" action="/sandbox/press" class="knob"><button class="button danger" name="act" value="reset">'
        "Forget everything</button></form></div></section>"
    )


def _quoted(text: str) -> str:
    return quote(text, safe="")
