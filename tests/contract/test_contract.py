"""Requests and answers of every endpoint that Paceline uses, as it sends the one and reads the other."""

import json
import time
from dataclasses import replace
from random import Random

import httpx
import pytest

from paceline import CheckNumber
from paceline.kinds import KINDS
from paceline.operations.requests import ProviderRequest, Work, request_for
from paceline_worker.accounts.info import INFO, read_info
from paceline_worker.verdict import reconcile, results
from paceline_worker.verdict.meaning import Meaning, read_answer
from paceline_worker.verdict.policy import Verdict
from tests.contract import shapes
from tests.contract.rows import ROWS, WRONGS, Row, Wrong
from tests.contract.service import PREFIX, UNKNOWN_GROUP, UNKNOWN_MESSAGE, Exchange, Service

# Of the real service: calls are paced, and a new group is waited for.
pytestmark = [pytest.mark.timeout(900)]

SENDER, TO = "+15550100001", "+15550100002"
GOOD = range(200, 300)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_request_is_answered_in_the_documented_shape(service: Service, row: Row) -> None:
    """A 2xx whose body has the required keys and types, and of which the worker makes what follows."""
    skip_without(service, row)
    work = row.work(service)
    request = row.request(work)
    assert (row.kind, row.endpoint) == (work.kind, endpoint(request))
    exchange = service.call(request)
    assert exchange.status in GOOD, exchange
    shape = shapes.Success if row.guessed and service.given.is_real else row.shape
    shape.model_validate(exchange.body)

    assert Meaning.ACCEPTED is exchange.answer.meaning
    verdict = verdict_of(row, work, exchange)
    assert row.verdict == (verdict.verb, verdict.outcome)
    assert verdict.uuid.startswith(row.uuid)
    assert row.brings <= json.loads(verdict.result or "{}").keys()


def verdict_of(row: Row, work: Work, exchange: Exchange) -> Verdict:
    """What the worker makes of the answer."""
    now_us = time.time_ns() // 1000
    if not row.looks_up:
        return results.accepted(work, row.request(work), exchange.answer, now_us)
    found = reconcile.found_out(work, exchange.answer, sent_us=now_us, now_us=now_us, random=Random(1))
    assert found is not None
    return found


def skip_without(service: Service, row: Row) -> None:
    missing = [f"{PREFIX}{name.upper()}" for name in row.needs if getattr(service.given, name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not set")


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: wrong.name)
def test_a_wrong_request_is_refused_in_one_of_the_three_families(service: Service, wrong: Wrong) -> None:
    """Status, envelope, and words that a person can read; the worker classifies it."""
    exchange = service.call(wrong.request(service), wrong.key)
    assert exchange.status in wrong.statuses, exchange
    shapes.ANY_ERROR.validate_python(exchange.body)
    assert (wrong.meaning, str(exchange.status)) == (exchange.answer.meaning, exchange.answer.code)
    assert exchange.answer.words


def test_a_request_without_a_key_is_refused(service: Service) -> None:
    """No header at all: 403 as measured, or 401 as documented; both stop the account."""
    answer = httpx.get(f"{service.given.base}{INFO.path}", timeout=30, trust_env=service.given.is_real)
    assert answer.status_code in (401, 403)
    shapes.ANY_ERROR.validate_python(answer.json())
    assert Meaning.BAD_KEY is read_answer(answer.status_code, answer.headers, answer.content).meaning


def test_the_accounts_own_figures_are_read(service: Service) -> None:
    """GET /info tells limit, credits, checks and standing, and the worker finds each of them."""
    exchange = service.call(INFO)
    assert exchange.status in GOOD
    shapes.Info.model_validate(exchange.body)
    info = read_info(exchange.answer.value or {})
    assert exchange.body["limits"]["requests_per_minute"] == (info.per_minute or 0)
    told = (info.credits_left, info.checks_left, info.on_trial, info.blocked)
    assert None not in told


def test_a_number_that_is_none_is_said_to_be_invalid(service: Service) -> None:
    """A check of something malformed is answered, with `is_valid` only."""
    work = service.work(CheckNumber, number=service.given.to)
    request = request_for(Work(work.kind, work.sender, "+12", work.payload))
    exchange = service.call(request)
    shapes.NoNumber.model_validate(exchange.body)
    verdict = results.accepted(work, request, exchange.answer, 0)
    assert {"check": {"is_valid": False}} == json.loads(verdict.result)


def test_a_message_that_was_sent_is_found(service: Service) -> None:
    """What the look-up of an unknown outcome rests on: the conversation shows a message under its uuid, as the API's."""
    if service.given.is_real:
        pytest.skip("how soon the real history shows a message is not documented")
    row = next(row for row in ROWS if row.name == "message.to_number is looked up")
    work = row.work(service)
    uuid = service.call(request_for(work)).answer.uuid
    verdict = verdict_of(row, work, service.call(row.request(work)))
    assert uuid in verdict.uuids


def test_a_group_that_was_made_is_found(service: Service) -> None:
    """A new group shows in the list of the sender's groups."""
    if service.given.is_real:
        pytest.skip("a new group takes the real service minutes to show")
    row = next(row for row in ROWS if row.name == "group.create is looked up")
    work = row.work(service)
    uuid = service.call(request_for(work)).answer.uuid
    verdict = verdict_of(row, work, service.call(row.request(work)))
    assert uuid in verdict.uuids


def test_the_table_holds_every_request_that_paceline_makes() -> None:
    """Every kind and its endpoint, every look-up of an unknown outcome, every question on the way, and /info (above)."""
    assert set(KINDS) == {row.kind for row in ROWS}
    group_deletion = Work("message.delete", SENDER, UNKNOWN_GROUP, {"message_uuid": UNKNOWN_MESSAGE}, channel="WPN1")
    asked = [
        *(f"{kind.method} {kind.path}" for kind in KINDS.values()),
        *(endpoint(request_for(step)) for step in (group_deletion, replace(group_deletion, channel=""))),
        *(
            endpoint(reconcile.lookup_for(Work(name, SENDER, target, {})))
            for name, kind in KINDS.items()
            if kind.resolution in ("history", "groups")
            for target in (TO, UNKNOWN_GROUP, "123456789012345@lid")
        ),
    ]
    assert set(asked) == {row.endpoint for row in ROWS}


def endpoint(request: ProviderRequest) -> str:
    return f"{request.method} {request.endpoint}"
