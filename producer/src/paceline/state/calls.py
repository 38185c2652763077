"""The thin package's side of the state: the scripts that write the inbox and read."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import redis
import redis.asyncio

from paceline.state import questions, translating
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.envelopes import Envelopes
from paceline.state.gathering import Gathered
from paceline.state.pictures import AccountPicture, CampaignPicture, FleetSnapshot, OperationPicture, RecordSnapshot
from paceline.state.questions import Question
from paceline.state.scripts import Script
from paceline.state.shards import hint_of

_T = TypeVar("_T")


class _Scripts(dict[str, Script]):
    """By name, each read when it is first run: who only looks reads none of those that write."""

    def __missing__(self, name: str) -> Script:
        return self.setdefault(name, Script("paceline", name))


class AsyncState:
    """Asks state on an event loop.

    Args:
        client: from `connect_async`.
        envelopes: seal what only workers may read; None: it is written as it is.
    """

    def __init__(self, client: redis.asyncio.Redis, envelopes: Envelopes | None = None) -> None:
        self.client = client
        self._envelopes = envelopes
        self._scripts = _Scripts()
        self._writing = Gathered(self._scripts["write_record"], client)

    async def ask(self, question: Question[_T]) -> _T:
        """The answer.

        Raises:
            StateUnavailable: the state server does not answer, or refuses.
        """
        arguments = question.arguments
        with translating():
            if self._envelopes and question.closed:
                envelope = self._envelopes.current()
                if envelope is None:
                    envelope = self._envelopes.learned(await self._scripts["public"].arun(self.client))
                arguments = question.closed(envelope)
            if question.script == "write_record":
                return question.read(await self._writing.run(arguments))
            return question.read(await self._scripts[question.script].arun(self.client, *arguments))


class State:
    """Typed calls of the scripts that producers and readers need, all of them replayable.

    Args:
        client: from `connect`.
        envelopes: seal what only workers may read; None: it is written as it is.
    """

    def __init__(self, client: redis.Redis, envelopes: Envelopes | None = None) -> None:
        self.client = client
        self._envelopes = envelopes
        self._scripts = _Scripts()

    def ask(self, question: Question[_T]) -> _T:
        """The answer.

        Raises:
            StateUnavailable: the state server does not answer, or refuses.
        """
        arguments = question.arguments
        with translating():
            if self._envelopes and question.closed:
                envelope = self._envelopes.current()
                if envelope is None:
                    envelope = self._envelopes.learned(self._scripts["public"].run(self.client))
                arguments = question.closed(envelope)
            return question.read(self._scripts[question.script].run(self.client, *arguments))

    def hint_of(self, rid: str) -> str:
        """What a hint says of a record that was written here: its id, and its shard unless that is shard 0."""
        return hint_of(self.client, rid)

    def submit(self, rid: str, account: str, sender: str, count: int, body: str, *, campaign: str = "") -> str:
        """As `questions.submit`."""
        return self.ask(questions.submit(rid, account, sender, count, body, campaign=campaign))

    def open_campaign(
        self,
        name: str,
        common: dict[str, str],
        digest: str,
        options: Mapping[str, str] | None = None,
        *,
        paused: bool = False,
        uploading: bool = False,
        needs_approval: bool = False,
    ) -> str:
        """As `questions.open_campaign`."""
        how = {"paused": paused, "uploading": uploading, "needs_approval": needs_approval}
        return self.ask(questions.open_campaign(name, common, digest, options, **how))

    def seal_campaign(self, name: str, offered: int, invalid: int) -> None:
        """As `questions.seal_campaign`."""
        self.ask(questions.seal_campaign(name, offered, invalid))

    def control_campaign(self, verb: str, name: str, argument: str = "") -> str:
        """As `questions.control_campaign`."""
        return self.ask(questions.control_campaign(verb, name, argument))

    def change_template(self, name: str, payload: str, digest: str) -> str:
        """As `questions.change_template`."""
        return self.ask(questions.change_template(name, payload, digest))

    def campaign_picture(self, name: str) -> CampaignPicture | None:
        """As `questions.campaign_picture`."""
        return self.ask(questions.campaign_picture(name))

    def known(self, op_ids: Iterable[str]) -> int:
        """As `questions.known`."""
        return self.ask(questions.known(op_ids))

    def campaign(self, name: str) -> CampaignSnapshot | None:
        """As `questions.campaign`."""
        return self.ask(questions.campaign(name))

    def campaign_zones(self, name: str) -> dict[str, str]:
        """As `questions.campaign_zones`."""
        return self.ask(questions.campaign_zones(name))

    def pools(self, account: str) -> dict[str, str]:
        """As `questions.pools`."""
        return self.ask(questions.pools(account))

    def operation(self, op_id: str) -> OperationPicture | None:
        """As `questions.operation`."""
        return self.ask(questions.operation(op_id))

    def record(self, rid: str, op_id: str) -> RecordSnapshot:
        """As `questions.record`."""
        return self.ask(questions.record(rid, op_id))

    def account(self, name: str) -> AccountPicture | None:
        """As `questions.account`."""
        return self.ask(questions.account(name))

    def accounts(self) -> list[str]:
        """As `questions.accounts`."""
        return self.ask(questions.accounts())

    def campaigns(self) -> list[str]:
        """As `questions.campaigns`."""
        return self.ask(questions.campaigns())

    def fleet(self) -> FleetSnapshot:
        """As `questions.fleet`."""
        return self.ask(questions.fleet())
