"""Signing in and out, the theme, and the files that pages need."""

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from paceline.errors import PacelineError
from paceline.gateway.guard import RequestRefused
from paceline.look import asset
from paceline_worker.console.acts import audit
from paceline_worker.console.drawing import THEME_COOKIE, THEMES, whole
from paceline_worker.console.frame import ROOT, View, guarded, posted, same_site, trouble
from paceline_worker.console.session import COOKIE

if TYPE_CHECKING:
    from paceline_worker.console.desk import Desk

_YEAR_S: Final = 31_536_000
_LONGEST_TOKEN: Final = 200


def safe_path(wanted: str) -> str:
    """A page of the console to go on to; the first page when it is anything else.

    Args:
        wanted: as the address says it, so anything.
    """
    try:
        parts = urlsplit(wanted)
    except ValueError:  # such as http://[
        return f"{ROOT}/"
    inside = parts.path == ROOT or parts.path.startswith(f"{ROOT}/")
    plain = not parts.scheme and not parts.netloc and wanted.isprintable() and "\\" not in wanted and ".." not in wanted
    return wanted if inside and plain and not parts.path.startswith(f"{ROOT}/sign-") else f"{ROOT}/"


async def form(request: Request) -> Response:
    """The form that asks for a token."""
    return _form(request, request.query_params.get("next", ""))


def _form(request: Request, wanted: str, problem: str = "", status: int = 200) -> Response:
    context = {"next": safe_path(wanted), "problem": problem}
    return HTMLResponse(whole("sign-in.html", request, None, context), status)


async def sign_in(request: Request) -> Response:
    """Open a session with a token."""
    desk: Desk = request.app.state.desk
    async with posted(request, max_files=0, max_fields=5, max_part_size=4096) as given:
        token_text, wanted = str(given.get("token", "")).strip(), str(given.get("next", ""))

    if not same_site(request):
        return _form(request, "", "The form does not come from this page. Open the page again.", 403)

    try:
        token = await desk.gate.token(token_text[:_LONGEST_TOKEN])
    except RequestRefused as refusal:
        audit.info("sign-in refused: %s", refusal.kind)
        words = "The token is unknown or has expired." if refusal.status == 401 else "Too many requests: wait a moment."
        return _form(request, wanted, words, refusal.status)
    except PacelineError as error:
        return trouble(request, None, error)

    if not token.may("read"):
        audit.info("sign-in refused by %s: no scope read", token.name)
        return _form(request, wanted, f"The token {token.name!r} lacks the scope read.", 403)

    secret, lifetime = await desk.sessions.open(token)
    audit.info("sign-in by %s", token.name)
    answer = RedirectResponse(safe_path(wanted), 303)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=max(1, int(lifetime.total_seconds())),
        path=ROOT,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )

    return answer


async def _leave(view: View) -> Response:
    await view.desk.sessions.close(view.request.cookies.get(COOKIE, ""))
    audit.info("sign-out by %s", view.viewer.token.name)
    answer = RedirectResponse(f"{ROOT}/sign-in?said=signed-out", 303)
    answer.delete_cookie(COOKIE, path=ROOT)
    return answer


async def _choose_theme(view: View) -> Response:
    theme = view.given("theme")
    answer = RedirectResponse(safe_path(view.given("next")), 303)
    if theme in THEMES:
        answer.set_cookie(THEME_COOKIE, theme, max_age=_YEAR_S, path=ROOT, httponly=True, samesite="lax")
    return answer


sign_out = guarded(_leave, "read")
choose_theme = guarded(_choose_theme, "read")


async def static(request: Request) -> Response:
    """A file; its address changes with its content."""
    found = asset(str(request.path_params["name"]))
    if found is None:
        return Response("There is no such file.", 404)
    content, kind = found
    return Response(content, media_type=kind, headers={"Cache-Control": f"public, max-age={_YEAR_S}, immutable"})
