import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from paceline.campaigns.campaign import Campaign
from paceline.campaigns.draft import draft
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.plan import Plan, plan_campaign
from paceline.campaigns.recipients import Row
from paceline.campaigns.upload import keys_of, open_campaign, peeked, upload
from paceline.errors import (
    CampaignConflict,
    InvalidOperation,
    NotFound,
    NotYetAccepted,
    Refusal,
    UnknownAccount,
    UnknownSender,
)
from paceline.ids import new_id
from paceline.inbox.hints import HintBus
from paceline.inbox.record import operation_id, single
from paceline.operations import OnUnknown, Operation
from paceline.outcomes import OutcomeEntry, Outcomes
from paceline.recipients.columns import reading_of
from paceline.recipients.files import rows_of
from paceline.settings import Settings
from paceline.state import connect_to
from paceline.state.calls import State
from paceline.status.view import Status, status_of
from paceline.tracing import spans

_POLL_S: Final = 0.02
# Names that meant two things, until 1.0.
_FORMERLY: Final = {"Accepted": "Queued", "Receipt": "Ticket"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _FORMERLY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn(f"paceline.outbox.{name} is now called {_FORMERLY[name]}", DeprecationWarning, stacklevel=2)
        return globals()[_FORMERLY[name]]


@dataclass(frozen=True, slots=True)
class Queued:
    """A worker took the operation into its lane, where it waits for its turn.

    Args:
        id: the operation.
        expected_at: when it is expected to leave; None while nothing may leave (`Status.why` says why).
    """

    id: str
    expected_at: datetime | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The idempotency key was used before; that operation stands and nothing was added.

    Args:
        id: the operation that has the key.
    """

    id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The worker could not take the record.

    Args:
        reason: one sentence.
    """

    reason: str


class Ticket:
    """The proof that an operation is written, and the way to ask what becomes of it.

    Args:
        op_id: the operation.
        rid: its inbox record.
        state: where to ask.
    """

    def __init__(self, op_id: str, rid: str, state: State) -> None:
        self.id = op_id
        self._rid = rid
        self._state = state

    def __repr__(self) -> str:
        return f"Ticket(id={self.id!r})"

    def wait(self, timeout: float = 5.0) -> Queued | Duplicate | Refused:
        """Wait until a worker has looked at it.

        Args:
            timeout: seconds.

        Returns:
            What became of it.

        Raises:
            NotYetAccepted: nobody looked in time. The operation is kept and will be accepted.
            StateUnavailable: Redis did not answer.
        """
        deadline = time.monotonic() + timeout
        while True:
            seen = self._state.receipt(self._rid, self.id)
            if seen.get("refused"):
                return Refused(seen["refused"])
            if not seen["waiting"]:
                if not seen.get("created_here"):
                    return Duplicate(self.id)
                found = self._state.operation(self.id)
                return Queued(self.id, status_of(found).expected_at if found else None)
            if time.monotonic() >= deadline:
                raise NotYetAccepted(f"no worker accepted {self.id} within {timeout:g} s; it is kept")
            time.sleep(_POLL_S)


class Outbox:
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
        self.state = State(connect_to(self.settings, repeat=True))
        self._hints = HintBus(self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wait shortly for the last hints to be published, then close the connections."""
        self._hints.close()
        self.state.client.close()

    def send(self, operation: Operation) -> Ticket:
        """Write one operation; answers or raises within 3 seconds.

        Args:
            operation: such as a `SendMessage`.

        Returns:
            A receipt with the operation's id.

        Raises:
            UnknownAccount, UnknownSender: nothing was written.
            StateUnavailable: Redis did not answer. With an idempotency key it is safe to send again.
        """
        op_id, rid = operation_id(operation), new_id()
        told = {spans.OPERATION: op_id, spans.ACCOUNT: operation.account, spans.PRIORITY: operation.priority}
        with spans.sending(f"send {operation.kind}", told) as traced:
            body = single(operation, op_id, datetime.now(UTC), traced)
            reply = self.state.submit(rid, operation.account, operation.sender, 1, body)
            raise_refusal(reply, operation.account, operation.sender)
        self._hint(rid)
        return Ticket(op_id, rid, self.state)

    def start_campaign(
        self,
        name: str,
        *,
        account: str,
        sender: str,
        template: str,
        recipients: Iterable[Mapping[str, object]] | Path,
        url: str | None = None,
        valid_until: datetime | None = None,
        on_unknown: OnUnknown = "reconcile",
        max_attempts: int | None = None,
        weight: int | None = None,
        rate: str | None = None,
        window: str | None = None,
        auto_pause: int | None = None,
        paused: bool = False,
        to_column: str | None = None,
        ignore_columns: Iterable[str] = (),
        default_country: str | None = None,
        literal_braces: bool = False,
        check_numbers: bool = True,  # noqa: ARG002 - of releases in which it made a difference
        on_invalid: Callable[[Row, str], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Campaign:
        """Upload a campaign, or continue an interrupted upload of the same name.

        Recipients are streamed: memory does not grow with their number. A recipient is told apart by its ``key``, else by
        its ``to``; what was uploaded before is not added again.

        Args:
            name: letters, digits, dot, dash, underscore.
            account: account name.
            sender: E.164.
            template: text with ``{column}`` and ``{column|default}`` placeholders.
            recipients: mappings with ``to``, optionally ``key``, ``not_before``, ``valid_until`` (ISO 8601 with a zone), and
                the columns the template names; or the path of a file (docs/campaigns.md tells which).
            url: attachment for all; placeholders are filled in, percent-encoded unless one is the whole address.
            valid_until: not sent later; default 24 hours from now.
            on_unknown: policy for calls of unknown outcome.
            max_attempts: calls before an operation is dead.
            weight: its share of its sender's turns, 1 to 1000. Of a campaign that is continued, the options given change.
            rate: not faster than this, such as ``100/minute``.
            window: local hours with a zone in which it sends, such as ``Mon-Fri 09:00-18:00 Europe/Berlin``.
            auto_pause: paused when more than so many percent of its last 100 answers are rejections; 20 unless told, 0 never.
            paused: a new one begins paused, and leaves when it is resumed.
            to_column: the column with the numbers, if it is not called ``to``.
            ignore_columns: columns that mean nothing, though they are called much like ``key``, ``not_before`` or ``valid_until``.
            default_country: two letters: numbers without a country code are of this country, and blanks, dashes and the like are
                left out of numbers. By default only E.164 is taken.
            literal_braces: ``{{word}}`` is to be sent as ``{word}``; else it is refused, because most who write it mean a column.
            check_numbers: of no effect: numbers are always looked at in full.
            on_invalid: called with a bad row and what is wrong with it; without it the first bad row raises.
            on_progress: called with the number of rows written so far, after each chunk.

        Returns:
            The campaign; its ``report`` counts what this upload offered, wrote and left out.

        Raises:
            InvalidOperation: template, options or (without ``on_invalid``) a row are wrong. Chunks before it stay written.
            CampaignConflict: the name is taken by a different campaign.
            UnknownAccount, UnknownSender, StateUnavailable: as for `send`.
        """
        reading = reading_of(to_column, ignore_columns, default_country)
        described = draft(
            name,
            account=account,
            sender=sender,
            template=template,
            url=url,
            valid_until=valid_until,
            on_unknown=on_unknown,
            max_attempts=max_attempts,
            options=CampaignOptions(weight=weight, rate=rate, window=window, auto_pause=auto_pause),
            literal_braces=literal_braces,
            reading=reading,
        )
        # Before the campaign exists: a source that cannot be read leaves nothing behind.
        first, rows = peeked(described, rows_of(recipients, reading))
        if not first:
            raise InvalidOperation("recipients: there are none")
        with spans.sending("upload campaign", {spans.CAMPAIGN: name, spans.ACCOUNT: account}) as traced:
            open_campaign(self.state, described, paused=paused, traced=traced, keys=keys_of(described, first))
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
        account: str,
        sender: str,
        template: str,
        recipients: Iterable[Mapping[str, object]] | Path,
        url: str | None = None,
        valid_until: datetime | None = None,
        on_unknown: OnUnknown = "reconcile",
        max_attempts: int | None = None,
        weight: int | None = None,
        rate: str | None = None,
        window: str | None = None,
        auto_pause: int | None = None,
        to_column: str | None = None,
        ignore_columns: Iterable[str] = (),
        default_country: str | None = None,
        literal_braces: bool = False,
        check_numbers: bool = True,  # noqa: ARG002 - likewise
        on_invalid: Callable[[Row, str], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Plan:
        """Say what `start_campaign` would do with the same arguments, and at what cost. Nothing is written.

        Recipients are streamed; of each 8 bytes are kept.

        Args:
            name: as for `start_campaign`, and so the others.
            account: see there.
            sender: see there.
            template: see there.
            recipients: see there.
            url: see there.
            valid_until: see there.
            on_unknown: see there.
            max_attempts: see there.
            weight: see there.
            rate: see there.
            window: see there.
            auto_pause: see there.
            to_column: see there.
            ignore_columns: see there.
            default_country: see there.
            literal_braces: see there.
            check_numbers: see there.
            on_invalid: called with a bad row and what is wrong with it; bad rows never raise here.
            on_progress: called with the number of rows read so far, now and then.

        Returns:
            Numbers, times, and in sentences why it would fail.

        Raises:
            InvalidOperation: template or options are wrong, or the recipients cannot be read.
            UnknownAccount, UnknownSender, StateUnavailable: as for `send`.
        """
        reading = reading_of(to_column, ignore_columns, default_country)
        described = draft(
            name,
            account=account,
            sender=sender,
            template=template,
            url=url,
            valid_until=valid_until,
            on_unknown=on_unknown,
            max_attempts=max_attempts,
            options=CampaignOptions(weight=weight, rate=rate, window=window, auto_pause=auto_pause),
            literal_braces=literal_braces,
            reading=reading,
        )
        return plan_campaign(
            self.state,
            described,
            rows_of(recipients, reading),
            on_invalid=on_invalid,
            on_progress=on_progress,
        )

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
        found = self.state.campaign(name)
        if not found:
            raise NotFound(f"no campaign named {name!r}")
        return Campaign(name, self.state)

    def outcomes(
        self, campaign: str | None = None, after: str | None = None, *, follow: bool = False
    ) -> Iterator[OutcomeEntry]:
        """What became of operations, in the order in which they were settled; docs/outcomes.md tells all about it.

        Args:
            campaign: of this campaign only, from its own record; else of all that is kept, about the last 100,000.
            after: id of the last entry that was handled; from the first one by default.
            follow: go on with what comes; of a campaign until it is complete.

        Yields:
            Entries.

        Raises:
            OutcomesTrimmed: entries behind ``after`` are gone already.
            NotFound: there is no such campaign.
        """
        reader = Outcomes(self.state.client)
        return reader.follow(campaign, after or "0") if follow else reader.each(campaign, after or "0")

    def status(self, op_id: str) -> Status:
        """Where an operation is, and why it waits.

        Args:
            op_id: from a receipt.

        Returns:
            State, times, outcome, forecast.

        Raises:
            NotFound: unknown, not accepted yet, or already deleted after its retention time.
        """
        found = self.state.operation(op_id)
        if found is None:
            raise NotFound(f"no operation {op_id!r}: never accepted, or deleted after its retention time")
        return status_of(found)

    def _submit_chunk(self, campaign: str, account: str, sender: str, count: int, body: str) -> None:
        rid = new_id()
        reply = self.state.submit(rid, account, sender, count, body, campaign=campaign)
        if reply == "cancelled campaign":
            raise CampaignConflict(f"campaign {campaign!r} was cancelled, which is final")
        raise_refusal(reply, account, sender)
        self._hint(rid)

    def _hint(self, rid: str) -> None:
        self._hints.tell(rid)


def raise_refusal(reply: str, account: str, sender: str) -> None:
    """Translate a refusing reply of submit.lua."""
    if reply == "unknown account":
        raise UnknownAccount(f"no account named {account!r}: add it with `paceline accounts add {account}`")
    if reply == "unknown sender":
        raise UnknownSender(f"account {account!r} lists its senders, and {sender} is not among them")
    if reply != "written":
        raise Refusal(reply)
