"""A campaign as it is described, before anything is written: checked, and compared with one of its name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Unpack

from paceline.campaigns.content import WITH_TEXT, check_text, content_of, operation_of, sample_address
from paceline.campaigns.excluding import Exclusions
from paceline.campaigns.hours import RecipientHours, check_hours
from paceline.campaigns.options import CampaignOptions
from paceline.campaigns.recipients import Encoder
from paceline.campaigns.senders import Senders, sender_of, senders_of
from paceline.campaigns.spec import CampaignSpec, changeable, check_names, reading
from paceline.defaults import DEFAULT_VALIDITY
from paceline.errors import InvalidOperation
from paceline.inbox.record import compact
from paceline.operations import DEFAULT_MAX_ATTEMPTS, OnUnknown, SendMessage
from paceline.recipients.cells import is_blank
from paceline.recipients.columns import Reading
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.envelopes import ENVELOPE
from paceline.template import Slot, Template, compiled
from paceline.times import instant
from paceline.window import Window

# For checking the options of a campaign with the model of a single message.
_ANY_RECIPIENT = "+15550100000"


@dataclass(frozen=True, slots=True)
class Draft:
    """A campaign as it is described, checked, before anything is written.

    Args:
        name: its name.
        account: account name.
        sender: E.164; of several the one that stands for the campaign.
        compiled: what all its messages are made of, and what rows have to bring.
        not_before: before when no row leaves that does not say it itself, when that was said.
        valid_until: until when all rows are valid, when that was said.
        on_unknown: policy for calls of unknown outcome.
        max_attempts: calls before an operation is dead.
        options: what may be changed later.
        kind: operation kind.
        reading: how columns are called, and of which country numbers are.
        hours: of a campaign in its recipients' own hours; None for any other.
        exclusions: the campaigns whose recipients are left out.
        senders: all of them, where there are several.
        pool: the pool that they are, if they are one.
    """

    name: str
    account: str
    sender: str
    compiled: Template
    not_before: datetime | None
    valid_until: datetime | None
    on_unknown: OnUnknown
    max_attempts: int
    options: CampaignOptions
    kind: str
    reading: Reading
    hours: RecipientHours | None = None
    exclusions: Exclusions = field(default_factory=Exclusions)
    senders: Senders = ()
    pool: str | None = None

    @property
    def template(self) -> Mapping[str, Any]:
        """The payload all its messages are made of, as it is stored."""
        return self.compiled.fields

    def encoder(self) -> Encoder:
        """What makes chunk records of its rows."""
        return Encoder(
            self.name,
            self.compiled,
            begins=self.not_before,
            ends=self.valid_until,
            reading=self.reading,
            hours=self.hours,
        )

    def continuing(self, existing: CampaignSnapshot | None, now: datetime | None = None) -> "Draft":
        """The same, as rows of a campaign that is there already have to be made.

        Args:
            existing: as it was read; None for a new one.
            now: from when on openings are written down, and a default validity counts. Default: the clock's.

        Returns:
            The draft. Without a validity of its own it has that of the campaign, unless the default lasts longer.

        Raises:
            CampaignConflict: its rows have no zones, and these would.
        """
        window = self.options.window
        check_hours(self.name, existing, window)
        zoned = (existing and existing.zoned) or (window and Window.parse(window).is_recipients)
        before = existing.window if existing else ""
        hours = RecipientHours(before if window is None else window, now) if zoned else None
        # The numbers of a pool may change; the one that stands for the campaign stays.
        stays = existing is not None and bool(self.senders)
        sender = existing.sender if existing and stays else self.sender
        return replace(self, hours=hours, sender=sender, valid_until=self._valid_until(existing, now))

    def _valid_until(self, existing: CampaignSnapshot | None, now: datetime | None) -> datetime | None:
        """Until when all rows are valid, when that is not the default: an upload writes it for the earlier rows as well."""
        if self.valid_until or not existing or existing.digest != self.digest:
            return self.valid_until
        ends = instant(existing.valid_until_us)
        return ends if ends > (now or datetime.now(UTC)) + DEFAULT_VALIDITY else None

    @property
    def identity(self) -> str:
        """What tells its senders apart from those of another campaign of its name."""
        return f"pool {self.pool}" if self.pool else " ".join(one.number for one in self.senders) or self.sender

    def sender_of(self, to: str) -> str:
        """The sender of a recipient to whom none of them has written."""
        return sender_of(to, self.senders) if self.senders else self.sender

    @property
    def digest(self) -> str:
        """What must stay the same under one name: account, sender, kind, template and policies."""
        return digest_of(
            account=self.account,
            sender=self.identity,
            kind=self.kind,
            template=compact(dict(self.template)),
            max_attempts=str(self.max_attempts),
            on_unknown=self.on_unknown,
        )


def digest_of(*, account: str, sender: str, kind: str, template: str, max_attempts: str, on_unknown: str) -> str:
    """What tells campaigns of one name apart: the arguments as texts, the template as JSON."""
    identity = [account, sender, kind, template, "b", max_attempts, on_unknown]
    return blake2b(compact(identity).encode(), digest_size=16).hexdigest()


def draft(name: str, **campaign: Unpack[CampaignSpec]) -> Draft:
    """Check the description of a campaign.

    Args:
        name: its name.
        campaign: its options.

    Raises:
        InvalidOperation: the message names what is wrong.
        TypeError: an option is missing or unknown.
    """
    check_names(campaign)
    given = campaign.get("sender", ())
    senders = senders_of([given] if isinstance(given, str) else given)

    # The model of one operation checks every option; `account` has the same grammar as a campaign's name.
    made, sample = content_of(
        campaign,
        account=campaign["account"],
        sender=senders[0].number,
        to=_ANY_RECIPIENT,
        priority="bulk",
        not_before=campaign.get("not_before"),
        valid_until=campaign.get("valid_until"),
        on_unknown=campaign.get("on_unknown", "reconcile"),
        max_attempts=campaign.get("max_attempts") or DEFAULT_MAX_ATTEMPTS,
    )
    try:
        SendMessage(account=name, sender=sample.sender, to=_ANY_RECIPIENT, text="x")
    except InvalidOperation:
        raise InvalidOperation("name: letters, digits, dot, dash and underscore, at most 64") from None

    return Draft(
        name=name,
        account=sample.account,
        sender=senders[0].number,
        compiled=made,
        not_before=sample.not_before,
        valid_until=sample.valid_until,
        on_unknown=sample.on_unknown,
        max_attempts=sample.max_attempts,
        options=changeable(campaign),
        kind=sample.kind,
        reading=reading(campaign),
        exclusions=Exclusions(campaign.get("exclude_campaigns", ())),
        senders=senders if len(senders) > 1 or campaign.get("pool") else (),
        pool=campaign.get("pool"),
    )


def corrected(
    campaign: CampaignSnapshot, template: str | None, url: str | None, *, literal_braces: bool = False
) -> tuple[str, str]:
    """Another template for a campaign whose rows are there.

    Args:
        campaign: as it was read.
        template: the text; None: it stays.
        url: the address; None: it stays, and '': there is none any more.
        literal_braces: as for `draft`.

    Returns:
        The payload as JSON, and what then tells campaigns of one name apart.

    Raises:
        InvalidOperation: they cannot be, or ask for what the rows do not bring.
    """
    if campaign.kind not in WITH_TEXT:
        raise InvalidOperation(
            "template: the campaign has no text of its own; delete it (`paceline campaign delete`) and start it again"
        )
    if campaign.kind == "sms.send" and url:
        raise InvalidOperation("url: an SMS has no attachment; write the address into the text")
    if campaign.template.startswith(ENVELOPE):
        raise InvalidOperation(
            "template: the stored template is encrypted, so a change cannot be compared with it; delete the campaign, and"
            " upload it with the new template"
        )

    stored: dict[str, Any] = json.loads(campaign.template)
    if template is not None:
        check_text(template, has_url=bool(stored.get("url") if url is None else url))

    text = None if template is None or is_blank(template) else template
    made = compiled(text, url or None, literal_braces=literal_braces, brought=_brought(campaign, stored))
    sample = {"text": text or "x"} | ({"url": sample_address(url)} if url else {})
    operation_of(campaign.kind, sample, account=campaign.account, sender=campaign.sender, to=_ANY_RECIPIENT)
    kept = {
        name: stored[name] for name, given in (("text", template), ("url", url)) if given is None and name in stored
    }
    whole = kept | dict(made.fields)
    payload = compact({name: whole[name] for name in ("text", "url") if name in whole})
    digest = digest_of(
        account=campaign.account,
        sender=campaign.identity or campaign.sender,
        kind=campaign.kind,
        template=payload,
        max_attempts=campaign.max_attempts,
        on_unknown=campaign.on_unknown,
    )

    return payload, digest


def slots_of(campaign: CampaignSnapshot) -> list[Slot]:
    """Places of a campaign's template, which its rows fill.

    Args:
        campaign: as it was read.
    """
    return _brought(campaign, json.loads(campaign.template))


def _brought(campaign: CampaignSnapshot, stored: Mapping[str, Any]) -> list[Slot]:
    """What the rows of a campaign bring; where its hash does not say, its text does."""
    if campaign.slots:
        return [Slot(*slot) for slot in json.loads(campaign.slots)]
    return list(compiled(stored.get("text"), literal_braces=True).slots)


def key_conflict(existing: CampaignSnapshot, keys: str) -> str:
    """Why rows with such keys would send to people of an earlier upload once more; '' when they do not.

    Args:
        existing: the campaign as it was read.
        keys: from `keys_of`.
    """
    if existing.keys == "all" and keys == "none":
        return (
            "its rows have a `key`, and the new rows have none, so recipients would get the message twice: add the "
            "column `key` (an export of outcomes has it), or use another name"
        )
    if existing.keys == "none" and keys == "all":
        return (
            "its rows have no `key`, and the new rows have one, so recipients would get the message twice: leave the "
            "column `key` out (--ignore-column key), or use another name"
        )
    return ""


def differences(described: Draft, existing: CampaignSnapshot) -> str:
    """What is not the same in a campaign of that name, in words.

    Args:
        described: the campaign that is to be.
        existing: the one that is.
    """
    template = compact(dict(described.template))
    pairs = {
        "account": (described.account, existing.account),
        "sender": (described.identity, existing.identity or existing.sender),
        "template": (template, template if existing.template.startswith(ENVELOPE) else existing.template),
        "kind": (described.kind, existing.kind),
        "max_attempts": (str(described.max_attempts), existing.max_attempts),
        "on_unknown": (described.on_unknown, existing.on_unknown),
    }
    differing = [name for name, (wanted, stored) in pairs.items() if wanted != stored]
    return " and ".join(differing) or ("template" if existing.template.startswith(ENVELOPE) else "options")


def noted(template: Template, existing: CampaignSnapshot | None, keys: str) -> dict[str, str]:
    """What a campaign's hash holds besides its options: whether its rows have keys, and what its template's places mean."""
    noted = {}
    if keys:
        earlier = existing.keys if existing else ""
        noted["keys"] = keys if earlier in {"", keys} else "some"
    slots = template.slots
    # The slots of a text say themselves what they mean; those of an official template are in several texts.
    if any(slot.name != slot.column for slot in slots) or (slots and "params" in template.fields):
        noted["slots"] = compact([[slot.name, slot.column, slot.default, slot.place] for slot in slots])
    return noted


# Why an upload under a name that is taken is refused; the keys are replies of campaign.lua. Upload and plan say the same.
CONFLICTS: Final[Mapping[str, str]] = {
    "different": "a campaign named {name!r} exists with another {differing}. While no message has left, `paceline "
    "campaign change` corrects its template, and `paceline campaign delete` frees the name; else use another name",
    "no memory": "account {account!r} does not remember its recipients for {span}: change that with `paceline "
    "accounts change {account} --remember {span}`",
    "cancelled": "campaign {name!r} was cancelled, which is final: upload under another name",
    "deleted": "campaign {name!r} is being deleted: try again when `paceline campaign list` no longer shows it",
    "forgotten": "the first outcomes of campaign {name!r} are past their retention time, so nobody knows who got its "
    "message: upload the rest under another name",
}


def conflict_words(reply: str, described: Draft, existing: CampaignSnapshot | None) -> str:
    """A refusal of campaign.lua in words.

    Args:
        reply: of the script, or of `foreseen_conflict`.
        described: the campaign that is to be.
        existing: the one that is.
    """
    differing = differences(described, existing) if existing else "content"
    span = described.options.not_within
    return CONFLICTS[reply].format(name=described.name, differing=differing, account=described.account, span=span)


def foreseen_conflict(described: Draft, existing: CampaignSnapshot) -> str:
    """The reply that campaign.lua would give to an upload now, in the order in which the script asks; '' when it takes the upload.

    Args:
        described: the campaign that is to be.
        existing: the one that is.
    """
    if existing.doomed:
        return "deleted"
    is_other = existing.digest != described.digest
    if is_other and (not existing.fresh or existing.hold == "cancelled" or existing.received):
        return "different"
    if is_other:
        return ""
    if existing.hold == "cancelled":
        return "cancelled"
    return "forgotten" if existing.forgets_at_us and existing.forgets_at_us <= existing.now_us else ""
