"""A campaign in command: each call costs the same whatever its size."""

from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.plan.plan import Plan, plan_rest
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
        """Plan the rest of the campaign: its cost, its times, and its obstacles. Changes nothing.

        Returns:
            The plan of waiting operations, all taken to be valid as long as the campaign is.

        Raises:
            NotFound: there is no such campaign.
            UnknownAccount: its account was removed.
        """
        return plan_rest(self._state, self.name, run(picturing(self.name), self._state))

    def pause(self, why: str = "by hand") -> None:
        """Pause the campaign: no further operation begins, calls under way finish. A paused campaign stays paused.

        Args:
            why: reason to show.

        Raises:
            NotFound: no such campaign.
            CampaignConflict: the campaign is cancelled or complete.
        """
        self._control("pause", why)

    def resume(self) -> None:
        """Resume the campaign; the automatic pause starts a new count.

        Raises:
            NotFound: no such campaign.
            CampaignConflict: the campaign is cancelled or complete.
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
        """Cancel the campaign for good. Workers delete waiting operations; `progress` counts them as ``cancelled``.

        Args:
            why: reason to show.

        Raises:
            NotFound: no such campaign.
            CampaignConflict: the campaign is complete. Cancelling twice is no error.
        """
        self._control("cancel", why)

    def change(self, options: CampaignOptions) -> None:
        """Change options of a campaign, for all operations that have not begun.

        Args:
            options: new values; an option that is None stays.

        Raises:
            NotFound: no such campaign.
            CampaignConflict: the campaign is cancelled or complete.
        """
        run(changing(self.name, options), self._state)

    def change_template(
        self, template: str | None = None, url: str | None = None, *, literal_braces: bool = False
    ) -> None:
        """Correct the text or attachment while no message has left. The rows stay.

        Args:
            template: new text; None keeps the text.
            url: new address of the attachment; None keeps it, '' removes it.
            literal_braces: True: ``{{word}}`` means ``{word}``; False: such a word is refused as a mistake.

        Raises:
            InvalidOperation: text or address is malformed, or needs a column that the rows did not bring.
            NotFound: no such campaign.
            CampaignConflict: the campaign is cancelled or complete, or a message has left.
        """
        run(correcting(self.name, template, url, literal_braces=literal_braces), self._state)

    def delete(self) -> None:
        """Delete the campaign while no message has left: workers delete waiting operations, and its name is free.

        Raises:
            NotFound, CampaignConflict: no such campaign, it is cancelled, or a message has left already.
        """
        self._control("delete")

    def _control(self, verb: str, argument: str = "") -> None:
        run(controlling(verb, self.name, argument), self._state)
