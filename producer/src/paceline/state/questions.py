"""What producers and readers ask of state, as values: which script, with which arguments, and how its reply is read.

A `State` asks them from a thread, an `AsyncState` on an event loop, and a fake answers them from memory.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from paceline.lua.fields import CAMPAIGN
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.pictures import AccountPicture, CampaignPicture, FleetSnapshot, OperationPicture, RecordSnapshot

if TYPE_CHECKING:
    from paceline.state.envelopes import Envelope

_T = TypeVar("_T")
_TEMPLATE = CAMPAIGN.code("template")


@dataclass(frozen=True, slots=True)
class Question(Generic[_T]):
    """One run of a script; all of them may be replayed.

    Args:
        script: which of this package's.
        arguments: after the root.
        read: makes a value of the reply.
        name: what is asked, for a fake that answers without the script.
        given: the arguments.
        closed: the arguments with what only workers may read in envelopes; None: there is nothing of that kind.
    """

    script: Literal["write_record", "campaign", "look", "outcomes", "cancel", "tokens", "trail", "suppress", "pools"]
    arguments: tuple[str | int, ...]
    read: Callable[[Any], _T]
    name: str
    given: Mapping[str, Any] = field(default_factory=dict)
    closed: "Callable[[Envelope], tuple[str | int, ...]] | None" = None


def submit(
    rid: str, account: str, sender: str, count: int, body: str, *, campaign: str = "", op_id: str = "", digest: str = ""
) -> Question[str]:
    """Write one inbox record; see write_record.lua for the replies.

    Args:
        rid: the record.
        account: account name.
        sender: E.164.
        count: operations in it.
        body: the record, JSON.
        campaign: campaign name.
        op_id: of a single operation with an idempotency key, its id.
        digest: and what its content is told by.
    """
    given = {"rid": rid, "account": account, "sender": sender, "count": count, "body": body, "campaign": campaign}
    keyed = {"op_id": op_id, "digest": digest}
    arguments = (rid, account, sender, count, body, campaign, op_id, digest)

    def closed(envelope: "Envelope") -> tuple[str | int, ...]:
        # A digest of the content would tell it to whoever can guess it: accept.lua compares contents later, by a keyed one.
        return (rid, account, sender, count, envelope.closed(body, record_of(account)), campaign, "", "")

    return Question("write_record", arguments, str, "submit", given | keyed, closed)


def record_of(account: str) -> str:
    """The purpose of the envelope of an inbox record."""
    return f"a record of {account}"


def template_of(campaign: str) -> str:
    """The purpose of the envelope of a template."""
    return f"the template of {campaign}"


def open_campaign(
    name: str,
    common: Mapping[str, str],
    digest: str,
    options: Mapping[str, str] | None = None,
    *,
    paused: bool = False,
    uploading: bool = False,
    needs_approval: bool = False,
) -> Question[str]:
    """Create a campaign or continue it; see campaign.lua.

    Args:
        name: its name.
        common: what all its operations share.
        digest: of what must not change.
        options: what may change.
        paused: a new one begins paused.
        uploading: a new one is held until its upload is whole.
        needs_approval: it is held until somebody approves it.
    """
    given = {"name": name, "common": common, "digest": digest, "options": options}
    whether = {"paused": paused, "uploading": uploading, "needs_approval": needs_approval}
    held = "1" if paused else "2" if uploading else "0"

    def opening(common: Mapping[str, str]) -> tuple[str, ...]:
        further = json.dumps(options or {}), held, "1" if needs_approval else "0"
        return ("open", name, json.dumps(common), digest, *further)

    def closed(envelope: "Envelope") -> tuple[str, ...]:
        return opening({**common, _TEMPLATE: envelope.closed(common[_TEMPLATE], template_of(name))})

    return Question("campaign", opening(common), str, "open_campaign", given | whether, closed)


def seal_campaign(name: str, offered: int, invalid: int) -> Question[None]:
    """Say that an upload is complete."""
    given = {"name": name, "offered": offered, "invalid": invalid}
    return Question("campaign", ("seal", name, offered, invalid), _nothing, "seal_campaign", given)


def control_campaign(verb: str, name: str, argument: str = "") -> Question[str]:
    """Pause, resume, cancel or change a campaign; see campaign.lua."""
    given = {"verb": verb, "name": name, "argument": argument}
    return Question("campaign", (verb, name, argument), str, "control_campaign", given)


def change_template(name: str, payload: str, digest: str) -> Question[str]:
    """Give a campaign of which nothing has left another template; see campaign.lua."""
    given = {"name": name, "payload": payload, "digest": digest}

    def closed(envelope: "Envelope") -> tuple[str, ...]:
        return ("template", name, envelope.closed(payload, template_of(name)), digest)

    return Question("campaign", ("template", name, payload, digest), str, "change_template", given, closed)


def campaign(name: str) -> Question[CampaignSnapshot | None]:
    """A campaign, or None when it is unknown."""
    return Question("campaign", ("read", name), _campaign, "campaign", {"name": name})


def campaign_zones(name: str) -> Question[dict[str, str]]:
    """The sets of time zones of a campaign in its recipients' own hours: id to names."""
    return Question("campaign", ("read zones", name), _paired, "campaign_zones", {"name": name})


def campaign_picture(name: str) -> Question[CampaignPicture | None]:
    """A campaign with its account and all that waits beside it, or None when it is unknown."""
    return Question("look", ("campaign", name), _picture(CampaignPicture.read), "campaign_picture", {"name": name})


def campaigns() -> Question[list[str]]:
    """All campaign names, sorted."""
    return Question("look", ("campaigns",), sorted, "campaigns")


def campaign_heads(names: Iterable[str]) -> Question[list[list[str]]]:
    """Name, creation (us), account, what holds it and completion (us) of each of these campaigns that is there."""
    known = tuple(names)
    return Question("look", ("heads", *known), _rows, "campaign_heads", {"names": known})


def operation(op_id: str) -> Question[OperationPicture | None]:
    """One operation with its lanes and its account, or None when it is unknown."""
    return Question("look", ("operation", op_id), _picture(OperationPicture.read), "operation", {"op_id": op_id})


def record(rid: str, op_id: str) -> Question[RecordSnapshot]:
    """What became of an inbox record."""
    return Question("look", ("record", rid, op_id), _record, "record", {"rid": rid, "op_id": op_id})


def known(op_ids: Iterable[str]) -> Question[int]:
    """How many of these operations are there."""
    ids = tuple(op_ids)
    return Question("look", ("known", *ids), int, "known", {"op_ids": ids})


def find(cursor: str, to: str, account: str, most: int) -> Question[tuple[str, list[str]]]:
    """Look through some of all operations for those to one recipient; see look.lua.

    Args:
        cursor: "0" at first.
        to: recipient or target.
        account: account name; '' looks at all accounts.
        most: about how many operations to look at.

    Returns:
        The next cursor ("0": that was all), and ids.
    """
    given = {"cursor": cursor, "to": to, "account": account, "most": most}
    return Question("look", ("find", cursor, to, account, most), _page, "find", given)


def account(name: str) -> Question[AccountPicture | None]:
    """Settings (never the key), counts, and the backlog, or None when the account is unknown."""
    return Question("look", ("account", name), _picture(AccountPicture.read), "account", {"name": name})


def accounts() -> Question[list[str]]:
    """All account names, sorted."""
    return Question("look", ("accounts",), sorted, "accounts")


def fleet() -> Question[FleetSnapshot]:
    """Workers, capacity, operations in flight, inbox records, accounts."""
    return Question("look", ("fleet",), _fleet, "fleet")


def cancel(op_id: str, why: str) -> Question[str]:
    """Let an operation not begin; see cancel.lua for the replies."""
    return Question("cancel", (op_id, why), str, "cancel", {"op_id": op_id, "why": why})


def outcomes(campaign: str, begin: str, most: int) -> Question[list[Any]]:
    """Entries of a stream of outcomes; see outcomes.lua."""
    given = {"campaign": campaign, "begin": begin, "most": most}
    return Question("outcomes", (campaign, begin, most), list, "outcomes", given)


def pools(account: str) -> Question[dict[str, str]]:
    """The pools of senders of an account, by name; JSON."""
    return Question("pools", ("list", account), _paired, "pools", {"account": account})


def write_pool(verb: str, account: str, name: str, known: str = "") -> Question[str]:
    """Create, change or remove a pool; see pools.lua."""
    given = {"verb": verb, "account": account, "name": name, "known": known}
    return Question("pools", (verb, account, name, known), str, "write_pool", given)


def token(token_id: str) -> Question[str]:
    """What is known of a token of the gateway, JSON; '' when it is not known."""
    return Question("tokens", ("get", token_id), str, "token", {"token_id": token_id})


def tokens() -> Question[dict[str, str]]:
    """All tokens, by their ids."""
    return Question("tokens", ("list",), _paired, "tokens")


def add_token(token_id: str, known: str) -> Question[str]:
    """Keep a token; see tokens.lua."""
    return Question("tokens", ("add", token_id, known), str, "add_token", {"token_id": token_id, "known": known})


def revoke_token(token_id: str) -> Question[str]:
    """Forget a token; see tokens.lua."""
    return Question("tokens", ("revoke", token_id), str, "revoke_token", {"token_id": token_id})


def suppress(name: str, reason: str, numbers: Sequence[str], forms: Sequence[str] = ()) -> Question[Any]:
    """Put numbers on a suppression list; see suppress.lua.

    Args:
        name: account name, or ``*``.
        reason: why.
        numbers: to be counted.
        forms: other forms of the same numbers.
    """
    given = {"name": name, "reason": reason, "numbers": numbers, "forms": forms}
    return Question("suppress", ("add", name, reason, len(numbers), *numbers, *forms), _same, "suppress", given)


def unsuppress(name: str, numbers: Sequence[str], forms: Sequence[str] = ()) -> Question[Any]:
    """Take numbers off a suppression list; arguments as for `suppress`."""
    given = {"name": name, "numbers": numbers, "forms": forms}
    return Question("suppress", ("remove", name, len(numbers), *numbers, *forms), _same, "unsuppress", given)


def suppressed(name: str, numbers: Sequence[str]) -> Question[Any]:
    """Of each number the entry that concerns an account; see suppress.lua."""
    return Question("suppress", ("check", name, *numbers), _same, "suppressed", {"name": name, "numbers": numbers})


def suppressions(name: str, cursor: str, most: int) -> Question[Any]:
    """Some entries of a suppression list; see suppress.lua."""
    given = {"name": name, "cursor": cursor, "most": most}
    return Question("suppress", ("page", name, cursor, most), _same, "suppressions", given)


def left_out(name: str, not_within_us: str, rows: Sequence[tuple[str, str]]) -> Question[list[str]]:
    """Of each row of a campaign why it would be left out now; '' when it would not.

    Args:
        name: account name.
        not_within_us: within so many microseconds nobody may have had a bulk message, or ''.
        rows: number, and ids in campaigns whose recipients are left out.
    """
    flat = [text for row in rows for text in row]
    given = {"name": name, "not_within_us": not_within_us, "rows": rows}
    return Question("suppress", ("plan", name, not_within_us, *flat), list, "left_out", given)


def _same(reply: Any) -> Any:
    return reply


def enter(token_id: str, digest: str, lifetime_ms: int) -> Question[str]:
    """Open a session of the console; state keeps a digest of its secret."""
    given = {"token_id": token_id, "digest": digest, "lifetime_ms": lifetime_ms}
    return Question("tokens", ("enter", token_id, digest, lifetime_ms), str, "enter", given)


def session(digest: str) -> Question[str]:
    """The token of a session, JSON; '' when the session has ended."""
    return Question("tokens", ("session", digest), str, "session", {"digest": digest})


def leave(digest: str) -> Question[str]:
    """End a session."""
    return Question("tokens", ("leave", digest), str, "leave", {"digest": digest})


def _picture(read_reply: Callable[[Mapping[str, Any]], _T]) -> Callable[[str], _T | None]:
    return lambda text: read_reply(json.loads(text)) if text else None


def _record(text: str) -> RecordSnapshot:
    return RecordSnapshot.read(json.loads(text))


def _fleet(text: str) -> FleetSnapshot:
    return FleetSnapshot.read(json.loads(text))


def _campaign(flat: list[str]) -> CampaignSnapshot | None:
    return CampaignSnapshot.read(_paired(flat)) if flat else None


def _paired(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _page(reply: list[Any]) -> tuple[str, list[str]]:
    return str(reply[0]), [str(op_id) for op_id in reply[1]]


def _rows(reply: list[Any]) -> list[list[str]]:
    return [[str(value) for value in row] for row in reply]


def _nothing(_: object) -> None:
    return None
