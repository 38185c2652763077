"""Who may do what, how often, and how much at once."""

import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from math import ceil
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from paceline.async_outbox import AsyncOutbox
from paceline.errors import NotFound, StateUnavailable, UnknownAccount
from paceline.flows.steps import AsyncAsked
from paceline.gateway import tokens
from paceline.gateway.tokens import Scope, Token
from paceline.state import questions
from paceline.state.campaigns import CampaignSnapshot
from paceline.status.history import Act, telling

audit = logging.getLogger("paceline.gateway.audit")

# A token that was looked up is good for so long without another look: revoking takes effect within it.
_REMEMBERED_S: Final = 1.0
_MOST_REMEMBERED: Final = 10_000
# Sums of seconds are exact to less than this.
_ROUNDING_S: Final = 1e-6


class RequestRefused(Exception):
    """A request that is not let in.

    Args:
        status: of the answer.
        kind: end of the problem's type.
        detail: one sentence.
        headers: of the answer.
    """

    def __init__(self, status: int, kind: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.headers = status, kind, detail, headers or {}


def limits(name: str, rates: Iterable[tuple[float, int]]) -> dict[str, str]:
    """The header RateLimit-Policy of the IETF draft.

    Args:
        name: of the policy.
        rates: requests, and the seconds in which so many are allowed.
    """
    policies = [f'"{name}";q={int(number)};w={seconds}' for number, seconds in rates]
    return {"RateLimit-Policy": ", ".join(policies)} if policies else {}


class Gate:
    """Knows tokens, and counts what they ask.

    Args:
        state: where tokens are kept.
        rate: requests a second that one token may make.
        clock: tells seconds.
    """

    def __init__(self, state: AsyncAsked, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._state, self._rate, self._clock = state, rate, clock
        self._known: dict[str, tuple[float, Token | None]] = {}
        self._full_at: dict[str, float] = {}

    async def token(self, given: str) -> Token:
        """The token that was given.

        Raises:
            RequestRefused: it is none, is not known, is revoked or has expired; or asks too often.
        """
        found = tokens.parts(given)
        token = await self._look_up(found[0]) if found else None
        if found is None or token is None or not token.fits(found[1], datetime.now(UTC)):
            raise _unknown()
        self.count(token)
        return token

    async def still(self, token: Token) -> None:
        """Let a token go on with what it began.

        Args:
            token: was let in before.

        Raises:
            RequestRefused: it was revoked or has expired since.
        """
        if await self._look_up(token.id) is None or not token.lasts(datetime.now(UTC)):
            raise _unknown()

    async def _look_up(self, token_id: str) -> Token | None:
        now = self._clock()
        until, token = self._known.get(token_id, (0.0, None))
        if now >= until:
            text = await self._state.ask(questions.token(token_id))
            token = tokens.read(text) if text else None
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[token_id] = now + _REMEMBERED_S, token
        return token

    def count(self, token: Token) -> None:
        """Count a request against a bucket that holds a second's worth of them, and one at the least.

        Raises:
            RequestRefused: the token sends too many requests.
        """
        now, apart = self._clock(), 1.0 / self._rate
        full_at = max(self._full_at.get(token.id, now), now)
        wait = full_at - now - (max(1.0, apart) - apart)
        if wait > _ROUNDING_S:
            seconds = max(1, ceil(wait))
            policy = (self._rate, 1) if self._rate >= 1 else (1.0, ceil(apart))
            headers = {"Retry-After": str(seconds)} | limits("token", [policy])
            raise RequestRefused(
                429,
                "too-many-requests",
                "the token sends too many requests",
                headers | {"RateLimit": f'"token";r=0;t={seconds}'},
            )
        self._full_at[token.id] = full_at + apart


def _unknown() -> RequestRefused:
    words = "the token is unknown or has expired"
    return RequestRefused(401, "unauthorized", words, {"WWW-Authenticate": "Bearer"})


class Known(APIRoute):
    """A route that looks at the token of a request before anybody reads its body, which may be large."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, for requests whose token is known."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            request.state.token = await _token_of(request)
            return await handler(request)

        return handle


async def _token_of(request: Request) -> Token:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise RequestRefused(401, "unauthorized", "the request has no bearer token", {"WWW-Authenticate": "Bearer"})
    gate: Gate = request.app.state.gate
    return await gate.token(given)


class Allowed(SecurityBase):
    """A dependency: the token of the request, which has a scope.

    FastAPI solves each dependency with a pass over path, query, headers and cookies: three of them would cost a request as much as
    its operation.

    Args:
        scope: what the token must be good for.
    """

    def __init__(self, scope: Scope) -> None:
        self.model = HTTPBearerModel(description="A token made by `paceline tokens create`.")
        self.scheme_name = "HTTPBearer"
        self._scope = scope

    async def __call__(self, request: Request) -> Token:
        """The token; the route is `Known`.

        Raises:
            RequestRefused: the token lacks the scope.
        """
        token: Token = request.state.token
        if not token.may(self._scope):
            raise RequestRefused(403, "forbidden", f"the token lacks the scope {self._scope}")
        return token


Sends = Annotated[Token, Depends(Allowed("send"))]
Reads = Annotated[Token, Depends(Allowed("read"))]
Runs = Annotated[Token, Depends(Allowed("campaigns"))]
Suppresses = Annotated[Token, Depends(Allowed("suppress"))]
Audits = Annotated[Token, Depends(Allowed("history"))]


async def remember(
    outbox: AsyncOutbox,
    token: Token,
    what: str,
    *,
    account: str = "",
    on: str = "",
    why: str = "",
    door: str = "gateway",
) -> None:
    """Write into the history what the owner of a token did.

    Args:
        outbox: whose state.
        token: of the request.
        what: as the command line calls it.
        account: the account that it concerns.
        on: campaign or operation.
        why: the reason that was given.
        door: where.
    """
    act = Act(what=what, who=f"token {token.name} ({token.id})", door=door, account=account, on=on, why=why)
    with suppress(StateUnavailable):  # the act is done
        await outbox.state.ask(telling(act, outbox.settings.history_kept))


def seen(token: Token, account: str) -> None:
    """Refuse an account that a token may not know of, in the words for a missing account.

    Raises:
        UnknownAccount: always in the same words.
    """
    if not token.sees(account):
        raise UnknownAccount(f"no account named {account!r}: GET /v1/accounts lists those of this token")


async def campaign_of(outbox: AsyncOutbox, name: str, token: Token) -> CampaignSnapshot:
    """A campaign that a token may know of.

    Raises:
        NotFound: it is missing, or of another account; in the same words.
    """
    campaign = await outbox.state.ask(questions.campaign(name))
    if campaign is None or not token.sees(campaign.account):
        raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
    return campaign


class Audit:
    """An ASGI middleware that writes down who did what; never a token, a number or a text.

    Starlette's own base for middlewares would start two tasks for each request, which costs a third of it.

    Args:
        app: what is watched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note how its answer begins."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return

        began = False

        async def noting(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                _note(scope, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if not began:  # it is answered further out
                _note(scope, 500)
            raise


def _note(scope: AsgiScope, status: int) -> None:
    token: Any = scope.get("state", {}).get("token")
    path = getattr(scope.get("route"), "path", "?")
    audit.info("%s %s by %s: %d", scope["method"], path, token.name if token else "nobody", status)
