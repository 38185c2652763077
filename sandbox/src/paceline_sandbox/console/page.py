"""The page for people at ``/``: what the sandbox is, how to use it, and what it has seen."""

import html
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from paceline_sandbox.accounts.accounts import Account
from paceline_sandbox.faults.magic import MAGIC_STATUSES
from paceline_sandbox.groups.groups import GroupBook
from paceline_sandbox.provider import Provider

# A page is for reading: beyond this many lines the JSON reports are the better tool.
_LINES_SHOWN: Final = 100
_STATUSES: Final = ", ".join(str(status) for status in MAGIC_STATUSES)
_MAGIC: Final = (
    ("+15559990NNN", f"always answers NNN, without effect; NNN is one of {_STATUSES}"),
    ("+15559991NNN", "answers NNN to the first request of each key, then works"),
    ("+15559992001", "cuts the connection before accepting"),
    ("+15559992002", "accepts and cuts the connection"),
    ("+15559992003", "accepts and answers 15 seconds late"),
    ("+15559992004", "answers a 2xx with success: false, without effect"),
    ("+15559992005", "accepts and answers a 2xx whose body is no JSON"),
    ("+15559992006", "answers 502 with an HTML page, without effect"),
    ("+15559992007", "accepts and answers a success that lacks the id"),
    ("+15559993NNN", "as a participant: refused by every group with status code NNN"),
    ("+15559994001", "the message is never sent"),
    ("+15559994002", "the message is sent and never received"),
    ("+15559994003", "the message is received and never read"),
)

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Paceline sandbox</title><style>
body {{ font-family: sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; }} td, th {{ border: 1px solid #999; padding: .2rem .6rem; text-align: left; }}
pre {{ background: #eee; overflow: auto; padding: 1rem; }}
</style></head><body>
<h1>Paceline sandbox</h1>
<p>This is the emulated 2Chat API. Nothing leaves this machine, except receipts to addresses that you subscribe. {accepts}</p>
<p>What happened: <a href="/sandbox/report">report</a> per key, <a href="/sandbox/arrivals">arrivals</a> one by one,
<a href="/sandbox/receipts">receipts</a> delivered. How it behaves: <a href="/sandbox/scenario">scenario</a>.</p>
<h2>Use it</h2>
<p>Point Paceline at it, or any client that can be given the API's base address:</p>
<pre>export PACELINE_API_BASE={base}</pre>
<p>Or send by hand:</p>
<pre>curl -H 'X-User-API-Key: try-me' -H 'Content-Type: application/json' \\
     -d '{{"from_number": "+15550100001", "to_number": "+15550100002", "text": "Hello"}}' \\
     {base}/whatsapp/send-message</pre>
<p>Change its behaviour, or start over:</p>
<pre>curl -X PUT --data-binary @scenario.toml {root}/sandbox/scenario
curl -X POST {root}/sandbox/reset</pre>
<h2>Keys</h2>
{keys}
<p>{requests} requests in all, {seen} keys seen.</p>
<h2>Numbers</h2>
{numbers}
<h2>Groups</h2>
{groups}
<h2>Magic numbers</h2>
<p>{magic_words}</p>
{magic}
<h2>Scenario in force</h2>
<pre>{scenario}</pre>
</body></html>
"""


def page(provider: Provider, host: str) -> str:
    """The page as HTML; everything that came from outside is escaped.

    Args:
        provider: what is shown.
        host: under which name and port the reader reached the sandbox.
    """
    scenario = provider.scenario
    root = html.escape(f"http://{host}")
    any_key = scenario.accept_unknown_keys
    return _PAGE.format(
        root=root,
        base=f"{root}/open",
        accepts="It accepts any API key." if any_key else "It accepts only the keys of its scenario.",
        keys=_keys(provider),
        requests=len(provider.journal),
        seen=len(provider.accounts),
        numbers=_numbers(provider),
        groups=_groups(provider.subjects.groups, provider.clock()),
        magic_words=(
            "As recipient or participant these make a call fail in a known way, and need no scenario."
            if scenario.magic
            else "The scenario has switched them off."
        ),
        magic=_table(("number", "what it does"), _MAGIC),
        scenario=html.escape(scenario.model_dump_json(indent=2)),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of as many rows as are good to read, or a word that there are none."""
    shown = list(islice(rows, _LINES_SHOWN))
    if not shown:
        return "<p>None yet.</p>"
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    lines = ("".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in shown)
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _keys(provider: Provider) -> str:
    heads = ("key", "limits", "arrivals", "accepted", "duplicates", "violations", "answers")
    seen = (_seen(account) for account in provider.accounts.values())
    declared = provider.scenario.declared_keys().items()
    waiting = ((key, _limits(settings.limits), 0, 0, 0, 0, "") for key, settings in declared)
    rows = [*islice(seen, _LINES_SHOWN), *(row for row in waiting if row[0] not in provider.accounts)]
    return _table(heads, rows)


def _seen(account: Account) -> Sequence[object]:
    answers = ", ".join(f"{status}: {count}" for status, count in sorted(account.answers.items()))
    counts = (account.arrivals, account.accepted, account.duplicates, account.violations)
    return (account.key, _limits(account.settings.limits), *counts, answers)


def _limits(limits: Sequence[str]) -> str:
    return ", ".join(limits) or "none"


def _numbers(provider: Provider) -> str:
    subjects, scenario = provider.subjects, provider.scenario
    web, official = subjects.numbers.named(scenario), subjects.waba.numbers.named(scenario)
    rows = [(number, "WhatsApp Web") for number in web] + [(number, "official API") for number in official]
    more = "" if scenario.connected_numbers else "<p>Any number is connected; the table shows those seen.</p>"
    return more + _table(("number", "channel"), rows)


def _groups(groups: GroupBook, now_us: int) -> str:
    rows = (
        (group.uuid, group.name, group.owner, ", ".join(group.shown_members(now_us)), group.description)
        for group in groups
    )
    return _table(("group", "name", "made by", "participants", "description"), rows)
