"""Where the contract is checked: the sandbox, or the real service. Both are called as a worker calls them."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import pytest

from paceline import CreateGroup, DeleteMessage, SendMessage
from paceline.operations import Operation
from paceline.operations.requests import ProviderRequest, Work, request_for
from paceline_worker.accounts.secrets import ApiKey
from paceline_worker.provider import client
from paceline_worker.provider.client import Provider
from paceline_worker.verdict.meaning import Answer, read_answer

REAL_BASE: Final = "https://api.p.2chat.io/open"
PREFIX: Final = "PACELINE_CONTRACT_"
# Ten a minute is what every account may do.
REAL_PACE_S: Final = 6.1
# A new group may take the provider minutes to show (docs/provider.md, 4).
GROUP_SHOWS_WITHIN_S: Final = 600
DEADLINE_S: Final = 30.0
UNKNOWN_GROUP: Final = "WAG00000000-0000-4000-8000-000000000000"
UNKNOWN_MESSAGE: Final = "MSG00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Given:
    """Whom the calls are about. What is None is not at hand, and rows that need it are skipped.

    Args:
        base: of the API.
        key: of the account.
        sender: a connected number.
        to: a number that may be written to.
        writes: whether calls that change something are allowed.
        is_real: whether it is the real service.
        remote_id: a contact hidden behind a user name.
        picture: public address of a picture.
        video: public address of a video.
        waba_from: a number of the Business API, to which `to` has written within 24 hours.
        template: one of its approved templates, without variables.
        sms_from: an SMS-enabled number.
    """

    base: str
    key: str
    sender: str
    to: str
    writes: bool = True
    is_real: bool = False
    remote_id: str | None = None
    picture: str | None = None
    video: str | None = None
    waba_from: str | None = None
    template: str | None = None
    sms_from: str | None = None


def given_by_environment() -> Given:
    """What the environment says of the real service; skips the test when it says too little."""
    values = {name: os.environ.get(PREFIX + name.upper()) or None for name in ("key", "from", "to")}
    missing = [PREFIX + name.upper() for name, value in values.items() if value is None]
    if missing:
        pytest.skip(f"the real service is not asked: {', '.join(missing)} not set (tests/contract/README.md)")
    names = ("remote_id", "picture", "video", "waba_from", "template", "sms_from")
    optional: dict[str, Any] = {name: os.environ.get(PREFIX + name.upper()) or None for name in names}
    return Given(
        base=os.environ.get(f"{PREFIX}BASE") or REAL_BASE,
        key=str(values["key"]),
        sender=str(values["from"]),
        to=str(values["to"]),
        writes=os.environ.get(f"{PREFIX}WRITE") == "1",
        is_real=True,
        **optional,
    )


@dataclass(frozen=True)
class Exchange:
    """One call: what came back, and what the worker reads in it."""

    status: int
    body: Any
    answer: Answer


class Service:
    """Calls the provider, at its pace, and finds what some calls need: a group, a message, the sender's channel.

    Args:
        given: whom the calls are about.
    """

    def __init__(self, given: Given) -> None:
        self.given = given
        self._next_s = 0.0

    def call(self, request: ProviderRequest, key: str | None = None) -> Exchange:
        """Make a call through the worker's own HTTP module.

        Args:
            request: what to send; one that changes something is skipped unless that is allowed.
            key: instead of the account's; '' sends an empty one.
        """
        if request.method != "GET" and not self.given.writes:
            pytest.skip(f"changes something at the real service, which {PREFIX}WRITE=1 allows")
        if self.given.is_real:
            time.sleep(max(0.0, self._next_s - time.monotonic()))
            self._next_s = time.monotonic() + REAL_PACE_S
        seen: list[tuple[int, bytes]] = []

        def reading(status: int, headers: Mapping[str, str], body: bytes, *redact: Callable[[str], str]) -> Answer:
            seen.append((status, body))
            return read_answer(status, headers, body, *redact)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client, "read_answer", reading)
            answer = asyncio.run(self._asked(request, ApiKey(self.given.key if key is None else key)))
        assert seen, f"the provider did not answer: {answer.code} {answer.words}"
        status, body = seen[0]
        return Exchange(status, json.loads(body), answer)

    async def _asked(self, request: ProviderRequest, key: ApiKey) -> Answer:
        caller = Provider(self.given.base, deadline_s=DEADLINE_S, connections=1)
        try:
            return await caller.call(request, key)
        finally:
            await caller.close()

    def work(self, model: type[Operation], *, sender: str | None = None, **fields: Any) -> Work:
        """An operation as a worker has it."""
        operation = model(account="contract", sender=sender or self.given.sender, **fields)
        return Work(operation.kind, operation.sender, operation.target or "itself", operation.payload())

    def sent_message(self, **target: str) -> str:
        """The uuid of a message that was just sent."""
        answer = self.call(request_for(self.work(SendMessage, text="To be deleted", **target))).answer
        assert answer.uuid, answer
        return answer.uuid

    @cached_property
    def channel(self) -> str:
        """Of the sender."""
        work = self.work(DeleteMessage, message=UNKNOWN_MESSAGE, to=self.given.to)
        numbers = self.call(request_for(work)).body["numbers"]
        return next(str(one["uuid"]) for one in numbers if one["phone_number"] == self.given.sender)

    @cached_property
    def group(self) -> str:
        """A group of the sender, made for this run; of the real service, when nothing may be changed, one that is there."""
        if not self.given.writes:
            listed = self.call(ProviderRequest("GET", f"/whatsapp/groups/{self.given.sender}", None, "")).body["data"]
            return str(listed[0]["uuid"]) if listed else pytest.skip("the sender is in no group")
        work = self.work(CreateGroup, name="Paceline contract", participants=[self.given.to])
        uuid = self.call(request_for(work)).answer.uuid
        until = time.monotonic() + GROUP_SHOWS_WITHIN_S
        while self.call(ProviderRequest("GET", f"/whatsapp/group/{uuid}", None, "")).status == 404:
            assert time.monotonic() < until, "the new group does not show"
        return uuid
