"""Gauges of campaigns: the open ones with most left, and receipts of those that completed lately."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from paceline.campaigns.campaign import Progress, progress_of
from paceline.errors import StateUnavailable
from paceline.forecast.outlook import forecast_of
from paceline.state.calls import State
from paceline.state.campaigns import CampaignSnapshot
from paceline_worker.exporter.readings import CampaignReading

MOST_CAMPAIGNS: Final = 50
# Receipts come for hours after the last outcome. Campaigns that were shown while they were open are looked at again: so many,
# for so long, each so often, and so many in one reading.
MOST_RECENT: Final = 20
RECENT_S: Final = 6 * 3600.0
_AGAIN_S: Final = 30.0
_LOOKS: Final = 4
# An end is a forecast, which costs more than a count: it is made again after a while, and a reading makes only so many.
_END_KEPT_S: Final = 60.0
_ENDS_S: Final = 0.1
_STATES: Final = ("uploading", "running", "paused", "cancelling")
_HELP: Final = {
    "paceline_campaign_operations": "Operations of a campaign by place; waiting includes operations in flight.",
    "paceline_campaign_state": "1 for the state that an open campaign is in, 0 for the others.",
    "paceline_campaign_ends_timestamp_seconds": "Expected departure of a campaign's last operation.",
    "paceline_campaign_rejected_ratio": "Share of rejections among the last 100 answers of a campaign.",
    "paceline_campaign_receipts": "Messages of a campaign by what receipts report: sent, not sent, delivered, read.",
}


class Campaigns:
    """Campaigns by name, at most `MOST_CAMPAIGNS` open ones and `MOST_RECENT` that completed within `RECENT_S`.

    Args:
        state: for forecasts, and for those that are complete.
        monotonic: a clock in seconds.
    """

    def __init__(self, state: State, monotonic: Callable[[], float]) -> None:
        self._ends = _Ends(state, monotonic)
        self._recent = _Recent(state, monotonic)

    def of(self, campaigns: Iterable[CampaignReading]) -> Iterator[Metric]:
        """Their gauges.

        Args:
            campaigns: all open ones.
        """
        campaigns = list(campaigns)
        largest = nsmallest(MOST_CAMPAIGNS, campaigns, key=lambda one: (-one.remaining, one.name))
        recent = self._recent.of({one.name for one in largest}, {one.name for one in campaigns})
        yield from _shown(largest, self._ends.of([one.name for one in largest]), recent)


class _Recent:
    """Campaigns that were shown while they were open, and are complete."""

    def __init__(self, state: State, monotonic: Callable[[], float]) -> None:
        self._state = state
        self._monotonic = monotonic
        self._open: set[str] = set()
        # Name to when it ended, when it was looked at, and what was seen; the one that ended last is the last one.
        self._known: dict[str, tuple[float, float, CampaignSnapshot | None]] = {}

    def of(self, shown: set[str], opened: set[str]) -> Mapping[str, CampaignSnapshot]:
        """Those to show.

        Args:
            shown: campaigns that are shown as open ones.
            opened: all open campaigns.
        """
        now = self._monotonic()
        for name in sorted(self._open - opened):
            self._known[name] = now, float("-inf"), None
        self._open = set(shown)
        kept = [
            (name, known) for name, known in self._known.items() if name not in opened and now - known[0] < RECENT_S
        ]
        self._known = dict(kept[-MOST_RECENT:])
        due = sorted((looked, name) for name, (_, looked, _) in self._known.items() if now - looked >= _AGAIN_S)
        for _, name in due[:_LOOKS]:
            try:
                campaign = self._state.campaign(name)
            except StateUnavailable:  # its shard is away, which says nothing of the others
                self._known[name] = self._known[name][0], now, self._known[name][2]
                break
            if campaign is None:
                del self._known[name]
            else:
                self._known[name] = self._known[name][0], now, campaign
        return {name: campaign for name, (_, _, campaign) in self._known.items() if campaign is not None}


class _Ends:
    """When campaigns are expected to end: forecasts, made again a few at a time."""

    def __init__(self, state: State, monotonic: Callable[[], float]) -> None:
        self._state = state
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, float | None]] = {}

    def of(self, names: Sequence[str]) -> Mapping[str, float]:
        """Seconds since the epoch, of those that have an end."""
        began = self._monotonic()
        self._known = {name: self._known[name] for name in names if name in self._known}
        for name in sorted(names, key=lambda name: self._known.get(name, (float("-inf"),))[0]):
            made_at = self._known.get(name, (float("-inf"),))[0]
            if began - made_at < _END_KEPT_S:
                break
            try:
                picture = self._state.campaign_picture(name)
            except StateUnavailable:
                self._known[name] = began, self._known.get(name, (began, None))[1]
                break
            end = forecast_of(name, picture).ends_at if picture else None
            self._known[name] = began, end.timestamp() if end else None
            if self._monotonic() - began > _ENDS_S:
                break
        return {name: end for name, (_, end) in self._known.items() if end is not None}


def _shown(
    campaigns: Iterable[CampaignReading], ends: Mapping[str, float], recent: Mapping[str, CampaignSnapshot]
) -> Iterator[Metric]:
    operations = _family("paceline_campaign_operations", "campaign", "state")
    states = _family("paceline_campaign_state", "campaign", "state")
    last = _family("paceline_campaign_ends_timestamp_seconds", "campaign")
    rejected = _family("paceline_campaign_rejected_ratio", "campaign")
    receipts = _family("paceline_campaign_receipts", "campaign", "status")

    for one in campaigns:
        progress = progress_of(one.name, one.campaign)
        scheduled = min(one.scheduled, one.remaining)
        numbers: dict[str, int] = {"waiting": one.remaining - scheduled, "scheduled": scheduled}
        numbers |= {str(outcome): number for outcome, number in progress.outcomes.items()}
        for state, number in numbers.items():
            operations.add_metric([one.name, state], number)
        # Its last outcome is there, and no dispatcher has closed it yet.
        closing = {"complete": "running", "cancelled": "cancelling"}
        current = closing.get(progress.state, progress.state)
        for state in _STATES:
            states.add_metric([one.name, state], float(state == current))
        if one.name in ends:
            last.add_metric([one.name], ends[one.name])
        if one.rejected_ratio is not None:
            rejected.add_metric([one.name], one.rejected_ratio)
        _add_receipts(receipts, progress)

    for name, campaign in recent.items():
        progress = progress_of(name, campaign)
        _add_receipts(receipts, progress)
        for outcome, number in progress.outcomes.items():
            operations.add_metric([name, str(outcome)], number)

    yield from (operations, states, last, rejected, receipts)


def _add_receipts(family: GaugeMetricFamily, progress: Progress) -> None:
    told = {
        "sent": progress.sent,
        "not_sent": progress.not_sent,
        "delivered": progress.delivered,
        "read": progress.read,
    }
    for status, number in told.items():
        family.add_metric([progress.name, status], number)


def _family(name: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, _HELP[name], labels=labels)
