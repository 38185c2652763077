"""What every page has: who looks, which scope it takes, forms that were not forged, errors in a sentence, parts that are live."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from paceline.errors import InvalidOperation, PacelineError
from paceline.gateway.guard import RequestRefused
from paceline.gateway.problems import problem_of
from paceline.gateway.tokens import Scope
from paceline_worker.console.desk import Desk
from paceline_worker.console.drawing import part_of, whole
from paceline_worker.console.session import COOKIE, Viewer

ROOT: Final = "/console"
# A live part is made so often while somebody looks; a stream ends after so many, and the browser opens the next one.
BEAT_S: Final = 2.0
_BEATS: Final = 300
_MOST_STREAMS: Final = 200
_MOST_FIELDS: Final = 300
# Digits of a time in microseconds: a year of four digits.
_LONGEST_MOMENT: Final = 17
_EVENTS: Final = "text/event-stream"


@dataclass(slots=True)
class View:
    """One request of somebody who is signed in.

    Args:
        request: the request.
        desk: what all pages share.
        viewer: who looks.
        form: what was posted; empty otherwise.
    """

    request: Request
    desk: Desk
    viewer: Viewer
    form: FormData = field(default_factory=FormData)

    def asked(self, name: str, most: int = 300) -> str:
        """A parameter of the address, '' when it is not there."""
        return self.request.query_params.get(name, "").strip()[:most]

    def given(self, name: str) -> str:
        """A text field of the form, '' when it is not there."""
        value = self.form.get(name)
        return value.strip() if isinstance(value, str) else ""

    def number(self, name: str, least: int, most: int, default: int) -> int:
        """A whole number of the address, within limits."""
        text = self.asked(name)
        return min(most, max(least, int(text))) if text.isascii() and text.isdecimal() and len(text) < 12 else default

    def moment(self, name: str) -> int | None:
        """A time that a page put into its form (us); None when it is not there."""
        text = self.given(name)
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_MOMENT else None

    @property
    def path(self) -> dict[str, str]:
        """Parts of the address."""
        return {name: str(value) for name, value in self.request.path_params.items()}


Handler = Callable[[View], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]
Context = Mapping[str, Any]


class Forbidden(PacelineError):
    """The token does not allow this; the message says which scope is missing."""


def page(template: str, *, scope: Scope = "read") -> Callable[[Callable[[View], Awaitable[Context]]], Endpoint]:
    """A page whose block `live` is sent again whenever it has changed, to browsers that ask for events.

    Args:
        template: its file.
        scope: what the viewer's token needs.
    """

    def decorate(make: Callable[[View], Awaitable[Context]]) -> Endpoint:
        async def show(view: View) -> Response:
            if _EVENTS in view.request.headers.get("accept", ""):
                return _stream(view, template, make)
            return drawn(view, template, await make(view))

        return guarded(show, scope)

    return decorate


def act(*, scope: Scope) -> Callable[[Handler], Endpoint]:
    """What a form does.

    Args:
        scope: what the viewer's token needs.
    """
    return lambda handler: guarded(handler, scope)


def guarded(handler: Handler, scope: Scope) -> Endpoint:
    """A handler that only sees requests of signed-in viewers who may do that, and forms of their own session."""

    async def endpoint(request: Request) -> Response:
        desk: Desk = request.app.state.desk
        secret = request.cookies.get(COOKIE, "")
        view: View | None = None

        try:
            viewer = await desk.sessions.viewer(secret)
            if viewer is None:
                return _sign_in_first(request)
            view = View(request, desk, viewer)
            desk.gate.count(viewer.token)
            if not viewer.may(scope):
                raise Forbidden(f"the token {viewer.token.name!r} lacks the scope {scope}")
            if request.method != "POST":
                return await handler(view)
            async with posted(request, max_files=1, max_fields=_MOST_FIELDS, max_part_size=1 << 20) as form:
                view.form = form
                if not same_site(request) or not hmac.compare_digest(
                    view.given("form_key").encode(), viewer.form_key.encode()
                ):
                    raise Forbidden("the form does not come from a page of this session: open the page again")
                return await handler(view)
        except RequestRefused as refusal:
            context = {"words": f"{refusal.detail}: wait a moment", "status": refusal.status}
            return HTMLResponse(whole("problem.html", request, None, context), refusal.status, dict(refusal.headers))
        except PacelineError as error:
            return trouble(request, view, error)

    return endpoint


@asynccontextmanager
async def posted(request: Request, *, max_files: int, max_fields: int, max_part_size: int) -> AsyncIterator[FormData]:
    """The form that a request carries.

    Args:
        request: the request.
        max_files: largest number of files.
        max_fields: largest number of fields.
        max_part_size: most bytes of a field.

    Raises:
        HTTPException: the form cannot be read.
    """
    try:
        form = await request.form(max_files=max_files, max_fields=max_fields, max_part_size=max_part_size)
    except ValueError:  # a charset that decodes nothing, such as `undefined`
        raise HTTPException(400, "The form cannot be read.") from None
    try:
        yield form
    finally:
        await form.close()


def same_site(request: Request) -> bool:
    """Whether a browser says that a request comes from a page of ours, or says nothing."""
    told = request.headers.get("sec-fetch-site")
    if told is not None:
        return told in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


def trouble(request: Request, view: View | None, error: PacelineError) -> Response:
    """An error as a page, or as a part of one for htmx."""
    problem = problem_of(error)
    status = 403 if isinstance(error, Forbidden) else problem.status
    template = "parts/problem.html" if request.headers.get("hx-request") else "problem.html"
    words = str(error)
    if view is None:
        return HTMLResponse(whole("problem.html", request, None, {"words": words, "status": status}), status)
    return drawn(view, template, {"words": view.viewer.words(words), "status": status}, status)


def drawn(view: View, template: str, context: Context, status: int = 200) -> Response:
    """A page."""
    return HTMLResponse(whole(template, view.request, view.viewer, context), status)


def done(view: View, to: str, said: str, **numbers: int) -> Response:
    """Go on to a page that says what was done.

    Args:
        view: the request; htmx is told by a header of its own, so that it loads the whole page.
        to: path below the console.
        said: name of a sentence in `drawing.SENTENCES`.
        numbers: of the sentence.
    """
    query = urlencode({"said": said} | numbers)
    view.desk.census.forget()
    view.desk.pulse.forget()
    address = f"{ROOT}{to}?{query}"
    if view.request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)


def _sign_in_first(request: Request) -> Response:
    if _EVENTS in request.headers.get("accept", ""):
        return Response(status_code=401)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    to = f"{ROOT}/sign-in?next={quote(wanted, safe='')}" if request.method == "GET" else f"{ROOT}/sign-in"
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": f"{ROOT}/sign-in"})
    return RedirectResponse(to, 303)


def _stream(view: View, template: str, make: Callable[[View], Awaitable[Context]]) -> Response:
    streams: set[int] = view.request.app.state.streams
    if len(streams) >= _MOST_STREAMS:
        return Response("Too many pages are open.", 503)
    return StreamingResponse(
        _beats(view, template, make, streams), media_type=_EVENTS, headers={"X-Accel-Buffering": "no"}
    )


async def _beats(
    view: View, template: str, make: Callable[[View], Awaitable[Context]], streams: set[int]
) -> AsyncIterator[str]:
    """The live part at first and whenever it has changed, and the figures of the page's chart."""
    streams.add(id(view))
    last = ""
    closing: asyncio.Event = view.request.app.state.closing

    try:
        for _ in range(_BEATS):
            # Whoever signed out, or whose token was revoked, sees nothing more.
            if await view.desk.sessions.viewer(view.request.cookies.get(COOKIE, "")) is None:
                yield "event: ended\ndata: \n\n"
                return
            try:
                context = await make(view)
                part = part_of(template, view.request, view.viewer, context)
                figures = context.get("figures")
            except InvalidOperation:
                return
            except PacelineError as error:
                part, figures = part_of("problem.html", view.request, view.viewer, {"words": str(error)}), None
            if part != last:
                last = part
                yield _event("part", part)
            if figures is not None:
                yield f"event: figures\ndata: {figures}\n\n"
            else:
                yield ": still there\n\n"
            with suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), BEAT_S)
                return
    finally:
        streams.discard(id(view))


def _event(name: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: {name}\n{lines}\n"
