import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack

from paceline.campaigns.abandoned import abandoned
from paceline.campaigns.campaign import Campaign
from paceline.campaigns.draft import draft
from paceline.campaigns.plan.plan import Plan, plan_campaign
from paceline.campaigns.recall import Recall, recall
from paceline.campaigns.recipients import Row
from paceline.campaigns.spec import CampaignSpec, with_pool
from paceline.campaigns.trial import first_message
from paceline.campaigns.upload import keys_of, open_campaign, peeked, upload
from paceline.errors import CampaignConflict, InvalidOperation, NotFound
from paceline.flows.sending import (
    Duplicate,
    Queued,
    Refused,
    cancelling,
    raise_refusal,
    sending,
)
from paceline.flows.steps import Flow, run
from paceline.flows.tickets import Ticket
from paceline.ids import new_id
from paceline.inbox.hints import HintBus
from paceline.inbox.record import operation_id
from paceline.operations import Operation
from paceline.outcomes import OutcomeEntry, Outcomes
from paceline.recipients.files import rows_of
from paceline.settings import Settings
from paceline.state import connect_to
from paceline.state.calls import State
from paceline.state.envelopes import envelopes_of
from paceline.status.doors import Looking
from paceline.suppression.doors import Suppressing
from paceline.tracing import spans

__all__ = ["Duplicate", "Outbox", "Queued", "Refused", "Ticket", "raise_refusal"]

# Whoever follows outcomes looks so often whether it is to end.
_STOP_WITHIN_S: Final = 0.1
_T = TypeVar("_T")
# Names that meant two things, until 1.0.
_FORMERLY: Final = {"Accepted": "Queued", "Receipt": "Ticket"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _FORMERLY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn(f"paceline.outbox.{name} is now called {_FORMERLY[name]}", DeprecationWarning, stacklevel=2)
        return globals()[_FORMERLY[name]]


class Outbox(Looking, Suppressing):
    """Where other services put outbound work.

    From the moment `send` returns, the operation cannot be lost: it is in state, not in the broker. One instance may be
    shared by threads, and is usable after a fork. It brings its own Celery app and leaves the host's alone.

    Args:
        broker_url: Celery broker; default ``PACELINE_BROKER_URL``.
        state_url: Redis or Valkey; default ``PACELINE_STATE_URL``, else the broker's.
        settings: ready settings, instead of the two.
    """

    def __init__(
        self, broker_url: str | None = None, state_url: str | None = None, *, settings: Settings | None = None
    ) -> None:
        self.settings = settings or Settings.from_environment(broker_url=broker_url, state_url=state_url)
        self.state = State(connect_to(self.settings, repeat=True), envelopes_of(self.settings))
        self._hints = HintBus(self.settings)
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wait shortly for the last hints to be published, then close the connections. Whoever follows outcomes comes to an end."""
        self._closed.set()
        self._hints.close()
        self.state.client.close()

    def send(self, operation: Operation) -> Ticket:
        """Write one operation; answers or raises within 3 seconds.

        Args:
            operation: such as a `SendMessage`.

        Returns:
            A ticket with the operation's id.

        Raises:
            UnknownAccount, UnknownSender: nothing was written.
            Conflict: its idempotency key belongs to an operation with another content; nothing was written. While that one is
                in the inbox, `Ticket.wait` and `Ticket.wait_settled` raise it.
            StateUnavailable: Redis did not answer. With an idempotency key it is safe to send again.
        """
        op_id, rid = operation_id(operation), new_id()
        with spans.sending_one(operation, op_id) as traced:
            self._run(sending(operation, op_id, rid, traced))
        self._hint(rid)
        return Ticket(op_id, rid, self.state, self._pause)

    def start_campaign(
        self,
        name: str,
        *,
        recipients: Iterable[Mapping[str, object]] | Path,
        paused: bool = False,
        needs_approval: bool = False,
        on_invalid: Callable[[Row, str], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
        **campaign: Unpack[CampaignSpec],
    ) -> Campaign:
        """Upload a campaign, or continue an interrupted upload of the same name.

        Recipients are streamed: memory does not grow with their number. A recipient is told apart by its ``key``, else by
        its ``to``; what was uploaded before is not added again.

        Args:
            name: letters, digits, dot, dash, underscore.
            recipients: mappings with ``to``, optionally ``key``, ``not_before``, ``valid_until`` (ISO 8601 with a zone), and
                the columns the template names; or the path of a file (docs/campaigns.md tells which).
            paused: a new one begins paused, and leaves when it is resumed.
            needs_approval: nothing leaves before `Campaign.approve`.
            on_invalid: called with a bad row and what is wrong with it, and the campaign begins while it is uploaded. Without it
                the first bad row raises, and nothing leaves before the upload is whole.
            on_progress: called with the number of rows written, after each chunk.
            campaign: account, sender, template, and the options that `CampaignSpec` lists. The options given change a campaign
                that is continued.

        Returns:
            The campaign; its ``report`` counts what this upload offered, wrote and left out.

        Raises:
            InvalidOperation: template, options or (without ``on_invalid``) a row are wrong. Of a new campaign nothing has left:
                what was uploaded waits, paused, until the same upload is made again rightly.
            CampaignConflict: the name is taken by a different campaign.
            UnknownAccount: no such account.
            UnknownSender: the account lists its senders, and this number is not among them.
            StateUnavailable: the state server did not answer.
        """
        described = draft(name, **with_pool(campaign, self.state.pools)).continuing(self.state.campaign(name))
        # Before the campaign exists: a source that cannot be read leaves nothing behind.
        first, rows = peeked(described, rows_of(recipients, described.reading))
        if not first:
            raise InvalidOperation("recipients: there are none")

        with spans.sending("upload campaign", {spans.CAMPAIGN: name, spans.ACCOUNT: described.account}) as traced:
            open_campaign(
                self.state,
                described,
                paused=paused,
                uploading=on_invalid is None,
                needs_approval=needs_approval,
                traced=traced,
                keys=keys_of(described, first),
            )
            with abandoned(self.state, name):
                report = upload(
                    described,
                    rows,
                    state=self.state,
                    submit=self._submit_chunk,
                    on_invalid=on_invalid,
                    on_progress=on_progress,
                )
        return Campaign(name, self.state, report)

    def plan_campaign(
        self,
        name: str,
        *,
        recipients: Iterable[Mapping[str, object]] | Path,
        on_invalid: Callable[[Row, str], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
        **campaign: Unpack[CampaignSpec],
    ) -> Plan:
        """Say what `start_campaign` would do with the same arguments, and at what cost. Nothing is written.

        Recipients are streamed; of each 8 bytes are kept.

        Args:
            name: of the campaign: letters, digits, dot, dash, underscore.
            recipients: mappings with ``to``, or the path of a file.
            on_invalid: called with a bad row and what is wrong with it; bad rows never raise here.
            on_progress: called with the number of rows read, now and then.
            campaign: account, sender, template, and the options that `CampaignSpec` lists.

        Returns:
            Numbers, times, and in sentences why it would fail.

        Raises:
            InvalidOperation: template or options are wrong, or the recipients cannot be read.
            UnknownAccount: no such account.
            UnknownSender: the account lists its senders, and this number is not among them.
            StateUnavailable: the state server did not answer.
        """
        described = draft(name, **with_pool(campaign, self.state.pools))
        return plan_campaign(
            self.state,
            described,
            rows_of(recipients, described.reading),
            on_invalid=on_invalid,
            on_progress=on_progress,
        )

    def test_campaign(
        self,
        name: str,
        *,
        to: str,
        recipients: Iterable[Mapping[str, object]] | Path,
        **campaign: Unpack[CampaignSpec],
    ) -> Ticket:
        """Send the first message of a campaign, filled, to a number of your own. Nothing else is written.

        Args:
            name: as for `start_campaign`; shown as metadata ``test_of``.
            to: the number that gets the message.
            recipients: as for `start_campaign`; the first row that can be sent fills the message.
            campaign: as for `start_campaign`.

        Returns:
            A ticket of the message, which goes before bulk work and disregards window and times.

        Raises:
            InvalidOperation: template, options or number are wrong, or no row can be sent.
            UnknownAccount, UnknownSender, StateUnavailable: as for `send`.
        """
        described = draft(name, **with_pool(campaign, self.state.pools))
        return self.send(first_message(described.continuing(None), rows_of(recipients, described.reading), to))

    def delete_messages(self, campaign: str, *, dry_run: bool = False) -> Recall:
        """Delete what a campaign sent in the last 60 hours, at the account's pace, as a campaign ``NAME.deletion``.

        Args:
            campaign: one that is paused, cancelled or complete. Asking again writes only the missing deletions.
            dry_run: count, and write nothing.

        Raises:
            NotFound, InvalidOperation, CampaignConflict: there is none, it sent no WhatsApp messages, or it goes on sending.
        """
        return recall(self.state, campaign, submit=None if dry_run else self._submit_chunk)

    def campaign(self, name: str, **arguments: Any) -> Campaign:
        """The former name of `start_campaign`, until 1.0."""
        warnings.warn("Outbox.campaign is now called start_campaign", DeprecationWarning, stacklevel=2)
        return self.start_campaign(name, **arguments)

    def list_campaigns(self) -> list[Campaign]:
        """All campaigns, by name.

        Raises:
            StateUnavailable: Redis did not answer.
        """
        return [Campaign(name, self.state) for name in self.state.campaigns()]

    def find_campaign(self, name: str) -> Campaign:
        """A campaign by its name.

        Raises:
            NotFound: there is none.
        """
        if self.state.campaign(name) is None:
            raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
        return Campaign(name, self.state)

    def outcomes(
        self,
        campaign: str | None = None,
        after: str | None = None,
        *,
        follow: bool = False,
        receipts: bool = False,
        stop: threading.Event | None = None,
    ) -> Iterator[OutcomeEntry]:
        """What became of operations, in the order in which they were settled; docs/outcomes.md tells all about it.

        Args:
            campaign: of this campaign only, from its own record; else of all that is kept, about the last 100,000.
            after: id of the last entry that was handled; from the first one by default.
            follow: go on with what comes; of a campaign until it is complete.
            receipts: entries that tell that a message was sent, delivered or read as well (`OutcomeEntry.event`).
            stop: set by another thread, it ends the iteration within a tenth of a second. So does `close`.

        Yields:
            Entries.

        Raises:
            OutcomesTrimmed: entries behind ``after`` are gone already.
            NotFound: there is no such campaign.
        """

        def stopped() -> bool:
            return self._closed.is_set() or (stop is not None and stop.is_set())

        def pause(seconds: float) -> None:
            deadline = time.monotonic() + seconds
            while not stopped() and (left := deadline - time.monotonic()) > 0:
                (stop or self._closed).wait(min(left, _STOP_WITHIN_S))

        reader = Outcomes(state=self.state, sleep=pause)
        if not follow:
            return reader.each(campaign, after or "0", receipts=receipts)
        return reader.follow(campaign, after or "0", receipts=receipts, stopped=stopped)

    def cancel(self, op_id: str, why: str = "by hand") -> None:
        """Let an operation never begin. From the moment this returns no worker makes its call; its outcome, ``cancelled``, follows.

        Args:
            op_id: of a single operation, or of one message of a campaign.
            why: shown beside it.

        Raises:
            AlreadyBegun: its call was made, or is under way. Cancelling twice is no error.
            NotFound: unknown, not accepted yet (`Ticket.wait` waits for that), or deleted.
        """
        self._run(cancelling(op_id, why))

    def _run(self, flow: Flow[_T]) -> _T:
        return run(flow, self.state, self._pause)

    def _pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def _submit_chunk(self, campaign: str, account: str, sender: str, count: int, body: str) -> None:
        rid = new_id()
        reply = self.state.submit(rid, account, sender, count, body, campaign=campaign)
        if reply == "cancelled campaign":
            raise CampaignConflict(f"campaign {campaign!r} was cancelled, which is final")
        raise_refusal(reply, account, sender)
        self._hint(rid, is_bulk=True)

    def _hint(self, rid: str, *, is_bulk: bool = False) -> None:
        self._hints.tell(self.state.hint_of(rid), is_bulk=is_bulk)
