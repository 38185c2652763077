"""A campaign in numbers and in command: each call costs the same whatever its size."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from paceline.campaigns.draft import corrected
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.plan import Plan, plan_rest
from paceline.campaigns.upload import UploadReport
from paceline.errors import CampaignConflict, NotFound
from paceline.forecast.outlook import Forecast, forecast_of
from paceline.inbox.record import compact, instant
from paceline.literals import OUTCOMES, CampaignState, Outcome
from paceline.state.calls import State


@dataclass(frozen=True, slots=True)
class Progress:
    """A campaign in numbers, all counted by state in the same atomic steps that move operations.

    Args:
        name: the campaign.
        received: rows written by uploads, duplicates among them.
        duplicates: rows that were there already.
        refused: rows of records that no worker could read, or that came after it was cancelled.
        in_inbox: written and not yet in a lane.
        outcomes: outcome to number of operations.
        remaining: in a lane, waiting for a time, or in flight.
        uploaded: whether the upload was completed.
        hold: ``paused``, ``cancelled`` or None.
        why: why it is on hold, in words.
        completed_at: when the last one had its outcome and these numbers became final.
        sent: messages that receipts told to be sent, and not to have failed.
        not_sent: accepted by the provider, and told to have failed after all.
        delivered: received on the recipient's device, by their receipts; those that were read among them.
        read: read by the recipient, as far as that is told. Receipts may go on to come when all outcomes are known.
    """

    name: str
    received: int
    duplicates: int
    refused: int
    in_inbox: int
    outcomes: Mapping[Outcome, int]
    remaining: int
    uploaded: bool
    hold: Literal["paused", "cancelled"] | None = None
    why: str | None = None
    completed_at: datetime | None = None
    sent: int = 0
    not_sent: int = 0
    delivered: int = 0
    read: int = 0

    @property
    def settled(self) -> int:
        """Operations that have their outcome."""
        return sum(self.outcomes.values())

    @property
    def total(self) -> int:
        """Distinct recipients."""
        return self.received - self.duplicates - self.refused

    @property
    def complete(self) -> bool:
        """Whether everything uploaded has its outcome."""
        return (self.uploaded or self.hold == "cancelled") and self.settled == self.total

    @property
    def state(self) -> CampaignState:
        """One word: uploading, running, paused, cancelling (workers delete what waits), cancelled or complete."""
        if self.hold == "cancelled":
            return "cancelled" if self.complete else "cancelling"
        if self.complete:
            return "complete"
        return self.hold or ("running" if self.uploaded else "uploading")


def progress_of(name: str, found: Mapping[str, str]) -> Progress:
    """Read a campaign's hash.

    Args:
        name: the campaign.
        found: its fields.

    Returns:
        The numbers.
    """
    number = {field: int(found.get(field, 0)) for field in ("received", "duplicate", "refused", "inbox", "written")}
    outcomes = {outcome: int(found.get(outcome, 0)) for outcome in OUTCOMES}
    return Progress(
        name=name,
        received=number["received"],
        duplicates=number["duplicate"],
        refused=number["refused"],
        in_inbox=number["inbox"],
        outcomes=outcomes,
        remaining=number["written"] - sum(outcomes.values()),
        uploaded=found.get("sealed") == "1",
        hold=cast('Literal["paused", "cancelled"] | None', found.get("hold")),
        why=found.get("hold_why"),
        completed_at=instant(found["completed_at"]) if found.get("completed_at") else None,
        sent=int(found.get("receipt_sent", 0)),
        not_sent=int(found.get("receipt_not_sent", 0)),
        delivered=int(found.get("receipt_received", 0)),
        read=int(found.get("receipt_read", 0)),
    )


class Campaign:
    """A named set of operations with one template.

    Args:
        name: its name.
        state: where it lives.
        report: what the upload did, when this object comes from one.
    """

    def __init__(self, name: str, state: State, report: UploadReport | None = None) -> None:
        self.name = name
        self.report = report
        self._state = state

    def __repr__(self) -> str:
        return f"Campaign({self.name!r})"

    def progress(self) -> Progress:
        """The campaign's numbers now.

        Raises:
            NotFound: there is no such campaign.
        """
        found = self._state.campaign(self.name)
        if not found:
            raise NotFound(f"no campaign named {self.name!r}")
        return progress_of(self.name, found)

    def forecast(self) -> Forecast:
        """When its next and its last operation are expected to leave, and why not earlier.

        Raises:
            NotFound: there is no such campaign.
        """
        found = self._state.campaign_outlook(self.name)
        if not found:
            raise NotFound(f"no campaign named {self.name!r}")
        return forecast_of(self.name, found)

    def plan(self) -> Plan:
        """What is left of it: what that costs, when it leaves, and what stands in its way. Changes nothing.

        Returns:
            The plan of what waits. All of it is taken to be valid as long as the campaign is.

        Raises:
            NotFound: there is no such campaign.
            UnknownAccount: its account was removed.
        """
        found = self._state.campaign_outlook(self.name)
        if not found:
            raise NotFound(f"no campaign named {self.name!r}")
        return plan_rest(self._state, self.name, found)

    def pause(self, why: str = "by hand") -> None:
        """Let nothing of it begin from now on; what has begun comes to its end. A paused one stays paused.

        Args:
            why: shown beside it.

        Raises:
            NotFound, CampaignConflict: there is none, or it is cancelled or complete.
        """
        self._control("pause", why)

    def resume(self) -> None:
        """Go on; what was counted for the automatic pause is forgotten.

        Raises:
            NotFound, CampaignConflict: as for `pause`.
        """
        self._control("resume")

    def cancel(self, why: str = "by hand") -> None:
        """Let nothing of it begin ever again. Workers delete what waits, bit by bit; `progress` counts it as ``cancelled``.

        Args:
            why: shown beside it.

        Raises:
            NotFound, CampaignConflict: there is none, or it is complete. Cancelling twice is no error.
        """
        self._control("cancel", why)

    def change(self, options: CampaignOptions) -> None:
        """Change what holds for all that has not begun, from its next turn on.

        Args:
            options: what is None stays as it is.

        Raises:
            NotFound, CampaignConflict: as for `pause`.
        """
        self._control("change", compact(options.texts()))

    def change_template(
        self, template: str | None = None, url: str | None = None, *, literal_braces: bool = False
    ) -> None:
        """Correct what its messages say, as long as nothing of it has left. Its rows stay as they are.

        Args:
            template: the text; None: it stays.
            url: address of the attachment; None: it stays, and '': there is none any more.
            literal_braces: as for `Outbox.start_campaign`.

        Raises:
            InvalidOperation: they cannot be, or need columns that the rows did not bring.
            NotFound, CampaignConflict: as for `pause`; or something of it has left already.
        """
        fields = self._state.campaign(self.name)
        if not fields:
            raise NotFound(f"no campaign named {self.name!r}")
        payload, digest = corrected(fields, template, url, literal_braces=literal_braces)
        self._conclude(self._state.change_template(self.name, payload, digest), "template")

    def delete(self) -> None:
        """Undo it, as long as nothing of it has left: workers delete what waits, and then its name is free.

        Raises:
            NotFound, CampaignConflict: there is none, it is cancelled, or something of it has left already.
        """
        self._control("delete")

    def _control(self, verb: str, argument: str = "") -> None:
        self._conclude(self._state.control_campaign(verb, self.name, argument), verb)

    def _conclude(self, reply: str, verb: str) -> None:
        if reply == "begun":
            raise CampaignConflict(
                f"something of campaign {self.name!r} has left already: pause or cancel it, and upload the rest under another name"
            )
        if reply == "unknown campaign":
            raise NotFound(f"no campaign named {self.name!r}")
        if reply == "complete":
            raise CampaignConflict(f"campaign {self.name!r} is complete: every operation of it has its outcome")
        if reply == "cancelled" and verb != "cancel":
            raise CampaignConflict(f"campaign {self.name!r} was cancelled, which is final")
