"""An `Outbox` for services on an event loop."""

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar, Unpack

from paceline.campaigns.campaign import Campaign
from paceline.campaigns.draft import draft
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.plan.plan import Plan
from paceline.campaigns.progress import Progress
from paceline.campaigns.recall import Recall
from paceline.campaigns.recipients import Row
from paceline.campaigns.spec import CampaignSpec, reading, with_pool
from paceline.campaigns.trial import first_message
from paceline.campaigns.upload import UploadReport
from paceline.flows.bridge import Bridge
from paceline.flows.controlling import changing, checked_approver, controlling, correcting, counting, forecasting
from paceline.flows.following import Walk
from paceline.flows.sending import cancelling, finding, keyed_id, looking_up, looking_up_row, of_key, sending
from paceline.flows.steps import AsyncAsked, arun
from paceline.flows.tickets import AsyncTicket
from paceline.forecast.outlook import Forecast
from paceline.ids import new_id
from paceline.inbox.hints import HintBus
from paceline.inbox.record import operation_id
from paceline.operations import Operation
from paceline.outbox import Outbox
from paceline.outcomes import OutcomeEntry, place
from paceline.recipients.files import rows_of
from paceline.settings import Settings
from paceline.state import connect_async, questions
from paceline.state.calls import AsyncState
from paceline.state.envelopes import envelopes_of
from paceline.state.shards import hint_of
from paceline.status.view import Status
from paceline.suppression.doors import AsyncSuppressing
from paceline.tracing import spans

_T = TypeVar("_T")
# Uploads and plans read rows and reckon, so they have threads of their own: the loop's are left to others.
_THREADS: Final = 4


def _rows(
    recipients: AsyncIterable[Mapping[str, object]] | Iterable[Mapping[str, object]] | Path,
    campaign: CampaignSpec,
) -> AsyncIterable[Mapping[str, object]] | Iterable[Mapping[str, object]]:
    """The rows of a file, read in the thread that uploads them; anything else as it is."""
    if not isinstance(recipients, Path):
        return recipients
    return rows_of(recipients, reading(campaign))


class AsyncCampaign:
    """A named set of operations with one template.

    Args:
        name: its name.
        outbox: where it was found.
        report: what the upload did, when this object comes from one.
    """

    def __init__(self, name: str, outbox: "AsyncOutbox", report: UploadReport | None = None) -> None:
        self.name = name
        self.report = report
        self._outbox = outbox

    def __repr__(self) -> str:
        return f"AsyncCampaign({self.name!r})"

    async def progress(self) -> Progress:
        """As `Campaign.progress`."""
        return await arun(counting(self.name), self._outbox.state)

    async def forecast(self) -> Forecast:
        """As `Campaign.forecast`."""
        return await arun(forecasting(self.name), self._outbox.state)

    async def plan(self) -> Plan:
        """As `Campaign.plan`."""
        return await self._outbox.in_thread(lambda blocking: blocking.find_campaign(self.name).plan())

    async def pause(self, why: str = "by hand") -> None:
        """As `Campaign.pause`."""
        await arun(controlling("pause", self.name, why), self._outbox.state)

    async def resume(self) -> None:
        """As `Campaign.resume`."""
        await arun(controlling("resume", self.name), self._outbox.state)

    async def approve(self, by: str) -> None:
        """As `Campaign.approve`."""
        await arun(controlling("approve", self.name, checked_approver(by)), self._outbox.state)

    async def cancel(self, why: str = "by hand") -> None:
        """As `Campaign.cancel`."""
        await arun(controlling("cancel", self.name, why), self._outbox.state)

    async def change(self, options: CampaignOptions) -> None:
        """As `Campaign.change`."""
        await arun(changing(self.name, options), self._outbox.state)

    async def change_template(
        self, template: str | None = None, url: str | None = None, *, literal_braces: bool = False
    ) -> None:
        """As `Campaign.change_template`."""
        await arun(correcting(self.name, template, url, literal_braces=literal_braces), self._outbox.state)

    async def delete(self) -> None:
        """As `Campaign.delete`."""
        await arun(controlling("delete", self.name), self._outbox.state)


class AsyncOutbox(AsyncSuppressing):
    """Where services on an event loop put outbound work: every method of `Outbox`, awaited.

    Nothing blocks the loop, also while the state server is mute. One instance belongs to the event loop on which it is first used;
    make another one in each process after a fork. It is an asynchronous context manager.

    Args:
        broker_url: Celery broker; default ``PACELINE_BROKER_URL``.
        state_url: Redis or Valkey; default ``PACELINE_STATE_URL``, else the broker's.
        settings: ready settings, instead of the two.
    """

    def __init__(
        self, broker_url: str | None = None, state_url: str | None = None, *, settings: Settings | None = None
    ) -> None:
        self.settings = settings or Settings.from_environment(broker_url=broker_url, state_url=state_url)
        self._client = connect_async(self.settings)
        self.state: AsyncAsked = AsyncState(self._client, envelopes_of(self.settings))
        self._hints = HintBus(self.settings)
        self._prepare()

    def _prepare(self) -> None:
        self._blocking: Outbox | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="paceline-upload")
        self._making = threading.Lock()
        self._closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait shortly for the last hints to be published, then close the connections. Whoever follows outcomes comes to an end."""
        self._closed.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._close_blocking)
        await self._client.aclose()

    def _close_blocking(self) -> None:
        self._hints.close()
        if self._blocking is not None:
            self._blocking.close()

    async def send(self, operation: Operation) -> AsyncTicket:
        """As `Outbox.send`."""
        op_id, rid = operation_id(operation), new_id()
        with spans.sending_one(operation, op_id) as traced:
            await arun(sending(operation, op_id, rid, traced), self.state)
        self._hint(rid)
        return AsyncTicket(op_id, rid, self.state)

    async def start_campaign(
        self,
        name: str,
        *,
        recipients: AsyncIterable[Mapping[str, object]] | Iterable[Mapping[str, object]] | Path,
        paused: bool = False,
        needs_approval: bool = False,
        on_invalid: Callable[[Row, str], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
        **campaign: Unpack[CampaignSpec],
    ) -> AsyncCampaign:
        """As `Outbox.start_campaign`. The upload runs in a thread.

        Args:
            name: of the campaign: letters, digits, dot, dash, underscore.
            recipients: mappings with ``to``, or the path of a file. An asynchronous iterable is read on the loop, any other
                (a list, a generator, a file) in the thread.
            paused: True: a new campaign sends nothing before it is resumed.
            needs_approval: True: a new campaign sends nothing before somebody approves it.
            on_invalid: called in the thread with a bad row and its fault. None: the first bad row raises.
            on_progress: called in the thread with the number of rows written, after each chunk.
            campaign: account, sender, template, and the options that `CampaignSpec` lists.

        Returns:
            The campaign. When the caller is cancelled, the upload ends, and the campaign waits as after a bad row.
        """
        bridge = Bridge(_rows(recipients, campaign), asyncio.get_running_loop())

        def upload(blocking: Outbox) -> Campaign:
            return blocking.start_campaign(
                name,
                recipients=bridge,
                paused=paused,
                needs_approval=needs_approval,
                on_invalid=on_invalid,
                on_progress=on_progress,
                **campaign,
            )

        try:
            started = await self.in_thread(upload)
        finally:
            bridge.stop()
        return AsyncCampaign(name, self, started.report)

    async def plan_campaign(
        self,
        name: str,
        *,
        recipients: AsyncIterable[Mapping[str, object]] | Iterable[Mapping[str, object]] | Path,
        on_invalid: Callable[[Row, str], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
        **campaign: Unpack[CampaignSpec],
    ) -> Plan:
        """Say what `start_campaign` would do with the same arguments, and at what cost. Nothing is written."""
        bridge = Bridge(_rows(recipients, campaign), asyncio.get_running_loop())

        def plan(blocking: Outbox) -> Plan:
            return blocking.plan_campaign(
                name, recipients=bridge, on_invalid=on_invalid, on_progress=on_progress, **campaign
            )

        try:
            return await self.in_thread(plan)
        finally:
            bridge.stop()

    async def test_campaign(
        self,
        name: str,
        *,
        to: str,
        recipients: AsyncIterable[Mapping[str, object]] | Iterable[Mapping[str, object]] | Path,
        **campaign: Unpack[CampaignSpec],
    ) -> AsyncTicket:
        """As `Outbox.test_campaign`; arguments as for `start_campaign`."""
        bridge = Bridge(_rows(recipients, campaign), asyncio.get_running_loop())

        def message(blocking: Outbox) -> Operation:
            described = draft(name, **with_pool(campaign, blocking.state.pools))
            return first_message(described.continuing(None), bridge, to)

        try:
            operation = await self.in_thread(message)
        finally:
            bridge.stop()
        return await self.send(operation)

    async def delete_messages(self, campaign: str, *, dry_run: bool = False) -> Recall:
        """As `Outbox.delete_messages`."""
        return await self.in_thread(lambda blocking: blocking.delete_messages(campaign, dry_run=dry_run))

    async def list_campaigns(self) -> list[AsyncCampaign]:
        """As `Outbox.list_campaigns`."""
        return [AsyncCampaign(name, self) for name in await self.state.ask(questions.campaigns())]

    async def find_campaign(self, name: str) -> AsyncCampaign:
        """As `Outbox.find_campaign`."""
        await arun(counting(name), self.state)
        return AsyncCampaign(name, self)

    async def outcomes(
        self, campaign: str | None = None, after: str | None = None, *, follow: bool = False, receipts: bool = False
    ) -> AsyncIterator[OutcomeEntry]:
        """As `Outbox.outcomes`: ``async for`` over them.

        Break out of the loop, cancel the task, or close the outbox: each ends it at once, also between two looks.

        Args:
            campaign: read this campaign's own stream. None: the stream of all outcomes.
            after: the last handled entry of the same stream. None: begin with the oldest kept entry.
            follow: True: go on with new entries, until the campaign is complete or the outbox is closed.
            receipts: True: include entries of receipts.

        Yields:
            Entries.
        """
        walk = Walk(campaign, place(after or "0"), follow=follow, receipts=receipts)
        while not self._closed.is_set():
            entries = await arun(walk.following(), self.state, self._pause)
            if entries is None:
                return
            for entry in entries:
                yield entry
                if self._closed.is_set():
                    return

    async def status(self, op_id: str) -> Status:
        """As `Outbox.status`."""
        return await arun(looking_up(op_id), self.state)

    async def status_by_key(self, account: str, idempotency_key: str) -> Status:
        """As `Outbox.status_by_key`."""
        return await arun(looking_up(keyed_id(account, idempotency_key), of_key(idempotency_key)), self.state)

    async def status_of_row(self, campaign: str, key: str) -> Status:
        """As `Outbox.status_of_row`."""
        return await arun(looking_up_row(campaign, key), self.state)

    async def find(self, to: str, account: str | None = None) -> AsyncIterator[Status]:
        """As `Outbox.find`: ``async for`` over them."""
        cursor = "0"
        while True:
            cursor, found = await arun(finding(cursor, to, account or ""), self.state)
            for status in found:
                yield status
            if cursor == "0":
                return

    async def cancel(self, op_id: str, why: str = "by hand") -> None:
        """As `Outbox.cancel`."""
        await arun(cancelling(op_id, why), self.state)

    async def in_thread(self, work: Callable[[Outbox], _T]) -> _T:
        """Do something with a blocking outbox in a thread; the loop goes on."""
        loop, context = asyncio.get_running_loop(), copy_context()
        return await loop.run_in_executor(self._threads, lambda: context.run(lambda: work(self._outbox())))

    def _outbox(self) -> Outbox:
        with self._making:
            if self._blocking is None:
                self._blocking = Outbox(settings=self.settings)
            return self._blocking

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds)

    def _hint(self, rid: str) -> None:
        self._hints.tell(hint_of(self._client, rid))
