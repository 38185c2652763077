"""A campaign in command: each call costs the same whatever its size."""

from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.plan import Plan, plan_rest
from paceline.campaigns.progress import Progress, progress_of
from paceline.campaigns.upload import UploadReport
from paceline.flows.controlling import (
    changing,
    checked_approver,
    controlling,
    correcting,
    counting,
    forecasting,
    picturing,
)
from paceline.flows.steps import run
from paceline.forecast.outlook import Forecast
from paceline.state.calls import State

__all__ = ["Campaign", "Progress", "progress_of"]


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
        return run(counting(self.name), self._state)

    def forecast(self) -> Forecast:
        """When its next and its last operation are expected to leave, and why not earlier.

        Raises:
            NotFound: there is no such campaign.
        """
        return run(forecasting(self.name), self._state)

    def plan(self) -> Plan:
        """What is left of it: what that costs, when it leaves, and what stands in its way. Changes nothing.

        Returns:
            The plan of what waits. All of it is taken to be valid as long as the campaign is.

        Raises:
            NotFound: there is no such campaign.
            UnknownAccount: its account was removed.
        """
        return plan_rest(self._state, self.name, run(picturing(self.name), self._state))

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

    def approve(self, by: str) -> None:
        """Let a campaign leave that was started with ``needs_approval``. Approving twice is no error.

        Args:
            by: who approves, at most 100 characters; shown beside the campaign.

        Raises:
            InvalidOperation: nobody is named.
            NotFound, CampaignConflict: there is none, it needs no approval, or it is cancelled or complete.
        """
        self._control("approve", checked_approver(by))

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
        run(changing(self.name, options), self._state)

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
        run(correcting(self.name, template, url, literal_braces=literal_braces), self._state)

    def delete(self) -> None:
        """Undo it, as long as nothing of it has left: workers delete what waits, and then its name is free.

        Raises:
            NotFound, CampaignConflict: there is none, it is cancelled, or something of it has left already.
        """
        self._control("delete")

    def _control(self, verb: str, argument: str = "") -> None:
        run(controlling(verb, self.name, argument), self._state)
