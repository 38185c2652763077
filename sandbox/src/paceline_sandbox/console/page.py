"""The guide at ``/guide``: what the sandbox is, how to use it, and what it has seen."""

import html
from collections.abc import Sequence
from itertools import islice
from typing import Final

from paceline_sandbox.accounts.accounts import Account
from paceline_sandbox.console.shell import LINES_SHOWN, framed, table
from paceline_sandbox.faults.magic import MAGIC_STATUSES
from paceline_sandbox.groups.groups import GroupBook
from paceline_sandbox.provider import Provider

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

_BODY: Final = """
<div class="head"><div><h1>Guide</h1><p class="lead">{accepts}</p></div></div>
<section class="card"><h2>Use it</h2>
<p>Point Paceline at it, or any client that can be given the API's base address:</p>
<pre tabindex="0">export PACELINE_API_BASE={base}</pre>
<p>Or send by hand:</p>
<pre tabindex="0">curl -H 'X-User-API-Key: try-me' -H 'Content-Type: application/json' \\
     -d '{{"from_number": "+15550100001", "to_number": "+15550100002", "text": "Hello"}}' \\
     {base}/whatsapp/send-message</pre>
<p>Change its behaviour, or start over:</p>
<pre tabindex="0">curl -X PUT --data-binary @scenario.toml {root}/sandbox/scenario
curl -X POST {root}/sandbox/reset</pre></section>
<section class="card flush"><h2>Keys</h2>{keys}</section>
<p class="quiet">{requests} requests in all, {seen} keys seen.</p>
<div class="two"><section class="card flush"><h2>Numbers</h2>{numbers}</section>
<section class="card flush"><h2>Groups</h2>{groups}</section></div>
<section class="card flush"><h2>Magic numbers</h2><p class="pad">{magic_words}</p>{magic}</section>
<section class="card"><h2>Scenario in force</h2><pre tabindex="0">{scenario}</pre></section>
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
    body = _BODY.format(
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
        magic=table(("number", "what it does"), _MAGIC),
        scenario=html.escape(scenario.model_dump_json(indent=2)),
    )
    return framed("Guide", "/guide", body)


def _keys(provider: Provider) -> str:
    heads = ("key", "limits", "arrivals", "accepted", "duplicates", "violations", "answers")
    seen = (_seen(account) for account in provider.accounts.values())
    declared = provider.scenario.declared_keys().items()
    waiting = ((key, _limits(settings.limits), 0, 0, 0, 0, "") for key, settings in declared)
    rows = [*islice(seen, LINES_SHOWN), *(row for row in waiting if row[0] not in provider.accounts)]
    return table(heads, rows)


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
    more = (
        "" if scenario.connected_numbers else '<p class="pad">Any number is connected; the table shows those seen.</p>'
    )
    return more + table(("number", "channel"), rows)


def _groups(groups: GroupBook, now_us: int) -> str:
    rows = (
        (group.uuid, group.name, group.owner, ", ".join(group.shown_members(now_us)), group.description)
        for group in groups
    )
    return table(("group", "name", "made by", "participants", "description"), rows)
