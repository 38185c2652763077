"""A campaign as readers see it, and as a source of its lane."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self, cast

from paceline.literals import OUTCOMES, Outcome
from paceline.lua.fields import CAMPAIGN
from paceline.state.reading import read, readers, whole
from paceline.window import from_text


@dataclass(frozen=True, slots=True)
class CampaignSnapshot:
    """One campaign. Of a campaign that other snapshots contain, only the options that hold it back are read.

    Args:
        account: account name.
        sender: E.164.
        kind: of its operations.
        max_attempts: of its operations.
        on_unknown: of its operations.
        valid_until_us: of its operations that have no end of their own.
        template: payload of its operations, JSON.
        digest: what must not change under its name.
        keys: whether its rows have keys: all, some, none.
        slots: what the places of its template mean, JSON.
        weight: its share of its sender's turns.
        rate: its own rate in words.
        cap_us: between two of its operations; 0: none.
        cap_next_us: earliest next one.
        ramp: most messages of each sender on each of its first days.
        window: local hours in words.
        zoned: its window is in the hours of each recipient: the openings are those of sets of time zones.
        coming: openings to come, as state has them.
        opens_us: the opening that is, or comes next.
        closes_us: its end; 0: none is known.
        not_within: who had a bulk message of the account within this span is left out, in words.
        silence_us: the same; 0: nobody is.
        auto_pause: percentage of rejections above which it pauses; None: the default.
        recent: its last outcomes: ``a`` accepted, ``r`` rejected.
        weighted_senders: several senders, as ``number:weight ...``; '' for one.
        failed: its senders that fail, between blanks.
        identity: what tells its several senders apart from those of another campaign.
        hold: paused, cancelled or None.
        hold_why: in words.
        hold_at_us: since when.
        approval: needed, given or None.
        approved_by: who approved it.
        approved_at_us: when.
        sealed: whether its upload is whole.
        offered: rows of its last upload.
        invalid: rows of its last upload that were left out.
        created_at_us: when it was made.
        fresh: whether nothing of it was ever begun.
        doomed: whether it is being deleted.
        completed_at_us: when its numbers became final.
        forgets_at_us: when its first outcome is deleted.
        received: rows written.
        written: rows that made an operation.
        duplicate: rows that had one.
        refused: rows that no worker could take.
        inbox: rows that no worker has looked at.
        left: operations accepted and not settled.
        outcomes: outcome to number.
        receipt_sent: messages that receipts tell to be sent, and not to have failed.
        receipt_not_sent: messages that failed after all.
        receipt_received: messages on the recipient's device.
        receipt_read: messages read.
        now_us: when it was read.
    """

    account: str = ""
    sender: str = ""
    kind: str = ""
    max_attempts: str = ""
    on_unknown: str = ""
    valid_until_us: int = 0
    template: str = "{}"
    digest: str = ""
    keys: str = ""
    slots: str | None = None
    weight: int = 1
    rate: str = ""
    cap_us: int = 0
    cap_next_us: int = 0
    ramp: str = ""
    window: str = ""
    zoned: bool = False
    coming: str = field(default="", metadata={"stored": "openings"})
    opens_us: int = 0
    closes_us: int = 0
    not_within: str = ""
    silence_us: int = 0
    auto_pause: int | None = None
    recent: str = ""
    hold: Literal["paused", "cancelled"] | None = None
    hold_why: str | None = None
    hold_at_us: int | None = None
    weighted_senders: str = ""
    failed: str = ""
    identity: str = ""
    approval: Literal["needed", "given"] | None = None
    approved_by: str | None = None
    approved_at_us: int | None = None
    sealed: bool = False
    offered: int = 0
    invalid: int = 0
    created_at_us: int = field(default=0, metadata={"stored": "created"})
    fresh: bool = False
    doomed: bool = False
    completed_at_us: int | None = None
    forgets_at_us: int | None = None
    received: int = 0
    written: int = 0
    duplicate: int = 0
    refused: int = 0
    inbox: int = 0
    left: int = 0
    outcomes: Mapping[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    receipt_sent: int = 0
    receipt_not_sent: int = 0
    receipt_received: int = 0
    receipt_read: int = 0
    now_us: int = 0

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From its hash, or some fields of it; `now` may be added."""
        return cls.of(CAMPAIGN.named(stored) | {"now": str(stored.get("now", 0))})

    @classmethod
    def of(cls, named: Mapping[str, str]) -> Self:
        """From its fields by name."""
        hold = cast("Literal['paused', 'cancelled'] | None", named.get("hold") or None)
        outcomes = {outcome: whole(named.get(outcome, 0)) for outcome in OUTCOMES}
        approval = cast("Literal['needed', 'given'] | None", named.get("approval") or None)
        return cls(hold=hold, approval=approval, outcomes=outcomes, **read(cls, named))

    def changed(self, options: Mapping[str, str]) -> Self:
        """The campaign after a change of its options, as campaign.lua makes it.

        Args:
            options: from `CampaignOptions.texts`; '' takes one away.
        """
        named = CAMPAIGN.named(options)
        outdated: dict[str, dict[str, Any]] = {"openings": {"opens_us": 0, "closes_us": 0}, "cap": {"cap_next_us": 0}}
        dropped = {name: value for option in named for name, value in outdated.get(option, {}).items()}
        defaults = {one.name: one.default for one in fields(self)}
        known = readers(CampaignSnapshot)
        emptied: dict[str, Any] = {known[name][0]: defaults[known[name][0]] for name, text in named.items() if not text}
        return replace(self, **emptied | dropped | read(CampaignSnapshot, named))

    @property
    def openings(self) -> tuple[tuple[int, int], ...] | None:
        """When its window is open, the current opening first; None when it has no window of its own."""
        if not self.window or self.zoned:
            return None
        return openings_of(self.opens_us, self.closes_us, self.coming)

    @property
    def remaining(self) -> int:
        """Operations that have no outcome."""
        return self.written - sum(self.outcomes.values())


def openings_of(opens_us: int, closes_us: int, coming: str) -> tuple[tuple[int, int], ...]:
    """Openings of a window, or of a set of time zones.

    Args:
        opens_us: the opening that is, or comes next.
        closes_us: its end; 0: none is known.
        coming: the later ones, as state has them.
    """
    current = ((opens_us, closes_us),) if closes_us else ()
    return (*current, *from_text(coming))


@dataclass(frozen=True, slots=True)
class ZonesSnapshot:
    """What a campaign in its recipients' own hours has in one set of time zones.

    Args:
        id: of the set.
        words: names of its zones, with blanks between.
        coming: openings to come, as state has them.
        opens_us: the opening that is, or comes next.
        closes_us: its end; 0: none is known.
        waiting: operations in its list.
    """

    id: str
    words: str = ""
    coming: str = field(default="", metadata={"stored": "openings"})
    opens_us: int = 0
    closes_us: int = 0
    waiting: int = 0

    @property
    def openings(self) -> tuple[tuple[int, int], ...]:
        """When its hours are open, the current opening first."""
        return openings_of(self.opens_us, self.closes_us, self.coming)


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """One bulk source of a lane.

    Args:
        name: the campaign; ``-`` for single operations.
        waiting: operations in its list.
        timed: operations that wait for a time of their own.
        campaign: what holds it back; of single operations nothing does.
        zones: of a campaign in its recipients' own hours, its sets of time zones with work.
    """

    name: str
    waiting: int
    timed: int = 0
    campaign: CampaignSnapshot = field(default_factory=CampaignSnapshot)
    zones: tuple[ZonesSnapshot, ...] = ()

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """From look.lua's source."""
        zones = tuple(ZonesSnapshot(**read(ZonesSnapshot, one)) for one in stored.get("zones") or ())
        return cls(**read(cls, stored), campaign=CampaignSnapshot.read(stored), zones=zones)

    @property
    def is_campaign(self) -> bool:
        """Whether it is one, and not the single operations."""
        return bool(self.campaign.sender)
