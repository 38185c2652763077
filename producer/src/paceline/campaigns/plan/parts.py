"""The parts of a campaign: waiting operations for each of its senders and sets of time zones."""

from collections.abc import Iterable, Iterator, Mapping

from paceline.campaigns.plan.rows import Part, Rows
from paceline.forecast.backlog import Source
from paceline.forecast.outlook import source_of, zone_source
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.snapshots import LaneSnapshot

Openings = tuple[tuple[int, int], ...]


def planned_sources(
    rows: Rows,
    *,
    name: str,
    campaign: CampaignSnapshot,
    before: Mapping[Part, int],
    openings: Mapping[str, Openings],
) -> Iterator[tuple[str, Source]]:
    """The sources in which recipients will stand, each with its sender.

    Args:
        rows: the recipients.
        name: the campaign.
        campaign: the campaign as it would be.
        before: of each part the operations that stand there already.
        openings: of each set of time zones.
    """
    sender = campaign.sender
    if not rows.parts:
        yield sender, source_of(name, campaign, before.get((sender, ""), 0) + rows.recipients)
    for (own_sender, zones), own in rows.parts.items():
        waiting = before.get((own_sender, zones), 0) + own.recipients
        if zones:
            yield own_sender, zone_source(name, campaign, zones, waiting, openings.get(zones, ()))
        else:
            yield own_sender, source_of(name, campaign, waiting)


def parts_of(lanes: Iterable[LaneSnapshot], name: str) -> dict[Part, int]:
    """What of a campaign waits, for each sender and set of time zones; nothing of a campaign that has only one list.

    Args:
        lanes: of its account.
        name: the campaign.
    """
    return {
        (lane.sender, zones.id): zones.waiting
        for lane in lanes
        for source in lane.sources
        if source.name == name
        for zones in source.zones
    }


def openings_by_id(lanes: Iterable[LaneSnapshot], name: str) -> dict[str, Openings]:
    """The openings of the sets of time zones of a campaign that has work; arguments as for `parts_of`."""
    return {
        zones.id: zones.openings
        for lane in lanes
        for source in lane.sources
        if source.name == name
        for zones in source.zones
    }
