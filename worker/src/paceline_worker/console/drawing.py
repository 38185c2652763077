"""Templates: everything that is put into a page is escaped, numbers are masked, times and durations are in words."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request

from paceline.cli.render import duration
from paceline.look import version
from paceline_worker.console.session import Viewer

THEME_COOKIE: Final = "paceline_theme"
THEMES: Final = ("auto", "light", "dark")

# What was done, by the name in the address of the page that tells. Only numbers are filled in, so that nobody can put words here.
SENTENCES: Final[Mapping[str, str]] = {
    "suspended": "The account is suspended. Its backlog is kept.",
    "account-resumed": "The account sends again.",
    "paused": "The campaign is paused. Messages being sent finish; nothing new starts until it is resumed.",
    "resumed": "The campaign is resumed.",
    "approved": "The campaign is approved and starts.",
    "campaign-cancelled": "The campaign is cancelled. Unsent messages are deleted and counted as cancelled.",
    "changed": "The campaign is changed, for everything not yet sent.",
    "deleted": "The campaign is deleted.",
    "started": "The campaign has started with {n} recipients; {bad} bad rows are left out.",
    "uploaded": "The campaign is uploaded with {n} recipients and waits for approval; {bad} bad rows are left out.",
    "tested": "The test message is written and leaves at the account's next slot.",
    "cancelled": "The message is cancelled. It will not be sent.",
    "released": "{n} released and queued again; {kept} stay as they are.",
    "dropped": "{n} dropped; {kept} stay as they are.",
    "replayed": "{n} queued again; {kept} stay dead.",
    "signed-out": "You are signed out.",
    "suppressed": "{n} added to the suppression list.",
    "unsuppressed": "{n} taken off the suppression list.",
    "hook-enabled": "Events are posted to the hook again.",
    "hook-disabled": "Nothing is posted to the hook until somebody enables it. Its events wait.",
    "hook-replayed": "{n} events will be posted again.",
}
_TONES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("accepted", "active", "running", "delivered", "read", "complete", "sent", "ready", "served"), "good"
    ),
    **dict.fromkeys(("rejected", "dead", "suspended", "failed", "not_sent", "down", "disabled"), "bad"),
    **dict.fromkeys(("held", "paused", "late", "ramp", "open", "unknown", "throttled", "failing", "unserved"), "warn"),
}
# Stands for a value that is not known.
NONE: Final = "\N{EN DASH}"
_MOST_DIGITS: Final = 15


def tone(word: str | None) -> str:
    """The colour of a state: good (accepted, running), bad (rejected, dead), warn (held, paused), quiet (waiting, all else)."""
    return _TONES.get(word or "", "quiet")


def ago(at: datetime | str | None, now: datetime | None = None) -> str:
    """``12 s ago``, ``in 3 min``."""
    if at is None:
        return NONE
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    span = (now or datetime.now(UTC)) - moment
    if abs(span) < timedelta(seconds=1):
        return "now"
    whole_seconds = timedelta(seconds=round(abs(span).total_seconds()))
    return f"{duration(whole_seconds)} ago" if span > timedelta(0) else f"in {duration(whole_seconds)}"


def moment(at: datetime | str | None) -> Markup:
    """A time: relative words, the exact time in `title`."""
    if at is None:
        return Markup(NONE)  # noqa: S704 - a constant
    value = datetime.fromisoformat(at) if isinstance(at, str) else at
    exact = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(value.isoformat(), exact, ago(value))


def exact(at: datetime | str | None) -> Markup:
    """A time, written out."""
    if at is None:
        return Markup(NONE)  # noqa: S704 - a constant
    value = (datetime.fromisoformat(at) if isinstance(at, str) else at).astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), value.strftime("%Y-%m-%d %H:%M:%S UTC"))


def whole_number(value: float | None) -> str:
    """``12,345``; a dash for None."""
    return NONE if value is None else f"{round(value):,}"


def per_minute(value: float | None) -> str:
    """A rate with as many digits as matter."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}".removesuffix(".0")


def percent(share: float | None) -> str:
    """``97 %``; a dash for None. Only what is all is 100 %, only what is nothing is 0 %."""
    if share is None:
        return NONE
    value = share * 100
    return f"{min(99, max(1, round(value))) if 0 < value < 100 else round(value)} %"


def said(query: Mapping[str, str]) -> str | None:
    """The sentence that the address asks for."""
    sentence = SENTENCES.get(query.get("said", ""))
    if sentence is None:
        return None
    numbers = {name: _number(query.get(name, "0")) for name in ("n", "kept", "bad")}
    return sentence.format_map(numbers)


def _number(text: str) -> str:
    return f"{int(text):,}" if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else "0"


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "tone": tone,
        "ago": ago,
        "moment": moment,
        "exact": exact,
        "n": whole_number,
        "rate": per_minute,
        "percent": percent,
        "json": json.dumps,
    }
    made.globals["ui"] = made.get_template("ui.html").module
    return made


_TEMPLATES: Final = _environment()


def _frame(request: Request, viewer: Viewer | None, context: Mapping[str, Any]) -> dict[str, Any]:
    theme = request.cookies.get(THEME_COOKIE, "auto")
    return {
        "viewer": viewer,
        "theme": theme if theme in THEMES else "auto",
        "path": request.url.path,
        "query": dict(request.query_params),
        "said": said(request.query_params),
        "assets": f"/console/static/{version()}",
        "words": viewer.words if viewer else str,
        "figures": None,
        **context,
    }


def whole(template: str, request: Request, viewer: Viewer | None, context: Mapping[str, Any]) -> str:
    """A whole page.

    Args:
        template: its file.
        request: of the page.
        viewer: who looks, if anybody is signed in.
        context: what the page shows.
    """
    return _TEMPLATES.get_template(template).render(_frame(request, viewer, context))


def part_of(template: str, request: Request, viewer: Viewer | None, context: Mapping[str, Any]) -> str:
    """The block `live` of a page; arguments as for `whole`."""
    found = _TEMPLATES.get_template(template)
    return "".join(found.blocks["live"](found.new_context(_frame(request, viewer, context))))
