"""Operations: written, looked up, cancelled."""

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from paceline.errors import InvalidOperation
from paceline.flows.sending import finding, missing, of_key, of_row
from paceline.flows.steps import arun
from paceline.gateway.answers import Box, problems
from paceline.gateway.guard import Known, Reads, Sends, remember, seen
from paceline.gateway.shapes import Explanation, Operations, OperationView, Written
from paceline.gateway.tokens import Token
from paceline.operations import OPERATIONS, Operation
from paceline.state import questions
from paceline.status.explanation import explained
from paceline.status.view import Status

if TYPE_CHECKING:
    from paceline.async_outbox import AsyncOutbox

Id = Annotated[str, Path(pattern="^[0-9a-hjkmnp-tv-z]{26}$", examples=["01k0zxw5d3v8m2c7r4q9n6t1ea"])]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=256,
        description="One key, one operation.",
    ),
]


def routes() -> APIRouter:
    """A route for each kind of operation, and those for all of them."""
    router = APIRouter(route_class=Known, tags=["operations"])
    for model in OPERATIONS:
        name = re.sub(r"(?<!^)(?=[A-Z])", "-", model.__name__).lower()
        router.add_api_route(
            f"/operations/{name}",
            _sending(model),
            methods=["POST"],
            status_code=202,
            response_model=Written,
            summary=f"{model.__name__}: written, to be sent at pace.",
            operation_id=name.replace("-", "_"),
            responses=problems(404),
        )
    router.get("/operations/{op_id}", response_model=OperationView, responses=problems(404))(status)
    router.delete("/operations/{op_id}", status_code=204, responses=problems(404, 409))(cancel)
    router.get("/operations/{op_id}/explain", response_model=Explanation, responses=problems(404))(explain)
    router.get("/operations", response_model=Operations, responses=problems(404))(find)
    return router


def _sending(model: type[Operation]) -> Callable[..., Awaitable[Written]]:
    async def send(
        operation: Any, token: Any, request: Request, response: Response, idempotency_key: Any = None
    ) -> Written:
        outbox: AsyncOutbox = request.app.state.outbox
        seen(token, operation.account)
        if idempotency_key is not None:
            if operation.idempotency_key not in (None, idempotency_key):
                raise InvalidOperation("idempotency_key: differs from the header Idempotency-Key")
            operation = operation.model_copy(update={"idempotency_key": idempotency_key})
        ticket = await outbox.send(operation)
        response.headers["Location"] = f"/v1/operations/{ticket.id}"
        return Written(id=ticket.id)

    # FastAPI reads the types; each route has its own model.
    send.__annotations__ |= {"operation": model, "token": Sends, "idempotency_key": Key}
    return send


async def status(op_id: Id, token: Reads, outbox: Box) -> dict[str, Any]:
    """The state of one operation, or its outcome."""
    return _shown(await outbox.status(op_id), token)


async def explain(op_id: Id, token: Reads, outbox: Box) -> dict[str, Any]:
    """Why an operation waits and until when, and whether a worker is there that could send it."""
    found = await outbox.state.ask(questions.operation(op_id))
    _shown(await outbox.status(op_id), token)
    if found is None:
        raise missing(repr(op_id))
    fleet = await outbox.state.ask(questions.fleet())
    return explained(found, fleet)


async def cancel(op_id: Id, token: Sends, outbox: Box, why: Annotated[str, Query(max_length=200)] = "by hand") -> None:
    """Let an operation that has not begun never begin."""
    operation = await outbox.status(op_id)
    _shown(operation, token)
    await outbox.cancel(op_id, why)
    await remember(outbox, token, "cancel", account=operation.account, on=op_id, why=why)


async def find(  # noqa: PLR0917 - FastAPI passes by name
    token: Reads,
    outbox: Box,
    account: Annotated[str | None, Query(description="With idempotency_key, or to narrow `to`.")] = None,
    idempotency_key: Annotated[str | None, Query(max_length=256)] = None,
    campaign: Annotated[str | None, Query(description="With row.")] = None,
    row: Annotated[str | None, Query(description="The row's key, or its number.")] = None,
    to: Annotated[str | None, Query(description="The recipient; all operations are looked through, in parts.")] = None,
    after: Annotated[
        str,
        Query(pattern=r"^([0-9]{1,4}\.)?[0-9]{1,19}$", description="`next` of the last answer, when `to` is given."),
    ] = "0",
) -> dict[str, Any]:
    """By idempotency key, by a campaign's row, or by recipient. A part may be empty though others follow: `next` says so."""
    given = [
        name for name, value in (("idempotency_key", idempotency_key), ("row", row), ("to", to)) if value is not None
    ]
    if len(given) != 1:
        raise InvalidOperation("idempotency_key, row, to: give exactly one of them")
    if to is not None:
        cursor, found = await arun(finding(after, to, account or ""), outbox.state)
        items = [one.as_json() for one in found if token.sees(one.account)]
        return {"items": items, "next": None if cursor == "0" else cursor}
    if idempotency_key is not None:
        if account is None:
            raise InvalidOperation("account: is missing")
        one, what = await outbox.status_by_key(account, idempotency_key), of_key(idempotency_key)
    else:
        if campaign is None:
            raise InvalidOperation("campaign: is missing")
        one, what = await outbox.status_of_row(campaign, row or ""), of_row(campaign)
    return {"items": [_shown(one, token, what)], "next": None}


def _shown(status: Status, token: Token, what: str | None = None) -> dict[str, Any]:
    """A status that a token may see; that of another account is missing, in the words of the lookup.

    Raises:
        NotFound: likewise.
    """
    if not token.sees(status.account):
        raise missing(what or repr(status.id))
    return status.as_json()
