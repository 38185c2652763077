"""A new campaign: a file is looked through and shown before anything is written; then it starts, or waits for approval."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse, Response

from paceline.campaigns.plan.plan import Plan
from paceline.campaigns.recipients import Row
from paceline.errors import InvalidOperation
from paceline.gateway.guard import seen
from paceline.operations import SendMessage
from paceline.state import questions
from paceline_worker.console.acts import note
from paceline_worker.console.drawing import whole
from paceline_worker.console.frame import Forbidden, View, act, done, drawn, page
from paceline_worker.console.pages.campaigns import moment_of, options_of

_SUFFIXES: Final = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".xlsx")
# A packed file of some megabytes may hold more than this machine.
_GZIP: Final = b"\x1f\x8b"
_SHOWN_ROWS: Final = 5
_MOST_NAMES: Final = 500
_CHUNK: Final = 1 << 16


@dataclass(slots=True)
class _BadRows:
    """The first bad rows of a file, and how many there are."""

    shown: list[tuple[int, str]] = field(default_factory=list)
    total: int = 0

    def note(self, row: Row, reason: str) -> None:
        self.total += 1
        if len(self.shown) < _SHOWN_ROWS:
            self.shown.append((row.line, reason))


@page("campaign-new.html", scope="campaigns")
async def form(view: View) -> Mapping[str, Any]:
    """An empty form."""
    return await _form(view)


async def _form(view: View) -> dict[str, Any]:
    names = [name for name in await view.desk.outbox.state.ask(questions.accounts()) if view.viewer.sees(name)]
    return {"accounts": names[:_MOST_NAMES], "plan": None, "bad": None, "words_of_problem": "", "given": view.given}


@act(scope="campaigns")
async def submit(view: View) -> Response:
    """Check a file, send a test, or start the campaign: as the button says that was pressed."""
    pressed = view.given("act") or "check"
    if pressed == "test" and not view.viewer.may("send"):
        raise Forbidden(f"the token {view.viewer.token.name!r} lacks the scope send")
    try:
        return await _submitted(view, pressed)
    except InvalidOperation as error:
        context = await _form(view) | {"words_of_problem": view.viewer.words(str(error))}
        return _answered(view, context, 422)


async def _submitted(view: View, pressed: str) -> Response:
    described = _described(view)
    seen(view.viewer.token, described["account"])
    name, outbox = view.given("name"), view.desk.outbox
    bad = _BadRows()

    with tempfile.TemporaryDirectory(prefix="paceline-console-") as folder:
        path = await _kept(view, Path(folder))
        if pressed in {"start", "upload"}:
            waits = pressed == "upload"
            campaign = await outbox.start_campaign(
                name, recipients=path, on_invalid=bad.note, needs_approval=waits, **described
            )
            await note(view, "campaign start", name, account=described["account"])
            written = campaign.report.written if campaign.report else 0
            return done(view, f"/campaigns/{name}", "uploaded" if waits else "started", n=written, bad=bad.total)
        plan = await outbox.plan_campaign(name or "unnamed", recipients=path, on_invalid=bad.note, **described)

    if pressed == "test":
        await _test(view, plan)

    context = await _form(view) | {"plan": plan, "bad": bad, "tested": pressed == "test"}
    return _answered(view, context, 200)


async def _test(view: View, plan: Plan) -> None:
    to = view.given("test_to")
    if not to:
        raise InvalidOperation("test_to: is empty; write the number that gets the test message")
    if not plan.samples:
        raise InvalidOperation("test_to: the file has no recipient whose message could be sent")
    sample = plan.samples[0]
    message = SendMessage(account=plan.account, sender=plan.sender, to=to, text=sample.text, url=sample.url)
    ticket = await view.desk.outbox.send(message)
    await note(view, "campaign test", ticket.id, account=plan.account)


def _described(view: View) -> dict[str, Any]:
    options = options_of(view)
    until, begin = view.given("valid_until"), view.given("not_before")
    described: dict[str, Any] = {
        "account": view.given("account"),
        "sender": view.given("sender"),
        "template": view.given("template").replace("\r\n", "\n"),
        "url": view.given("url") or None,
        "rate": options.rate or None,
        "window": options.window or None,
        "to_column": view.given("to_column") or None,
        "default_country": view.given("default_country") or None,
        "valid_until": moment_of("valid_until", until) if until else None,
        "not_before": moment_of("not_before", begin) if begin else None,
    }
    if not described["account"]:
        raise InvalidOperation("account: is empty; choose one")
    return described


async def _kept(view: View, folder: Path) -> Path:
    """The file that was sent, under a name of our own."""
    file = view.form.get("recipients")
    if not isinstance(file, UploadFile) or not file.filename:
        raise InvalidOperation("recipients: no file is chosen")
    given = file.filename.lower()
    suffix = next((suffix for suffix in _SUFFIXES if given.endswith(suffix)), None)
    if suffix is None:
        raise InvalidOperation(
            "recipients: the file is not CSV, TSV, JSON Lines, JSON or Excel (.xlsx): choose such a file"
        )
    if (await file.read(2)) == _GZIP:
        raise InvalidOperation("recipients: the file is compressed with gzip: decompress it first")
    await file.seek(0)
    path = folder / f"recipients{suffix}"
    with path.open("wb") as kept:
        while part := await file.read(_CHUNK):
            kept.write(part)
    return path


def _answered(view: View, context: Mapping[str, Any], status: int) -> Response:
    """The part below the form for htmx; the whole page without it, on which the file has to be chosen again."""
    if view.request.headers.get("hx-request"):
        # htmx swaps answers that went well; the part says what is wrong.
        return HTMLResponse(whole("parts/check.html", view.request, view.viewer, context))
    return drawn(view, "campaign-new.html", context, status)
