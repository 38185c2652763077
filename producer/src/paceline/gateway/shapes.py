"""What the gateway answers, for its OpenAPI document."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from paceline.campaigns.options import CampaignOptions
from paceline.literals import CampaignState, EntryEvent, OperationState


class Problem(BaseModel):
    """A problem detail (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:paceline:problem:unknown-account"])
    title: str = Field(examples=["Unknown account"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["no account named 'acme': GET /v1/accounts lists those of this token"])


class Written(BaseModel):
    """An operation that is written, and cannot be lost from now on."""

    id: str = Field(examples=["01k0zxw5d3v8m2c7r4q9n6t1ea"])


class OperationView(BaseModel):
    """The state of an operation, or its outcome; `paceline.Status` describes the fields."""

    model_config = ConfigDict(extra="allow")

    id: str
    state: OperationState
    account: str
    campaign: str | None
    kind: str
    why: str
    expected_at: datetime | None
    metadata: dict[str, str]


class Explanation(BaseModel):
    """Why an operation waits, and who could send it."""

    id: str
    state: OperationState
    why: str
    expected_at: datetime | None
    account: str
    ahead: int | None = Field(description="Operations that leave before this one.")
    workers: int = Field(description="Alive.")
    unreachable: int = Field(description="Workers that cannot reach the provider.")


class Operations(BaseModel):
    """Some operations, and where the next ones begin."""

    items: list[OperationView]
    next: str | None


class EntryView(BaseModel):
    """One entry of a stream of outcomes; docs/outcomes.md tells the fields."""

    model_config = ConfigDict(extra="allow")

    entry_id: str
    id: str
    account: str
    event: EntryEvent
    outcome: str


class Entries(BaseModel):
    """Some entries, and the `after` of the next ones."""

    items: list[EntryView]
    next: str | None


class CampaignView(BaseModel):
    """A campaign in numbers."""

    name: str
    account: str
    state: CampaignState
    why: str | None
    approval: Literal["needed", "given"] | None
    approved_by: str | None
    total: int
    remaining: int
    outcomes: dict[str, int]
    sent: int
    delivered: int
    read: int


class Campaigns(BaseModel):
    """Some campaigns, and the `after` of the next ones."""

    items: list[CampaignView]
    next: str | None


class BadRow(BaseModel):
    """A row that was left out."""

    line: int
    reason: str


class Uploaded(BaseModel):
    """What an upload did."""

    name: str
    offered: int
    written: int
    invalid: int
    bad_rows: list[BadRow] = Field(description="The first hundred of them.")


class CampaignIn(CampaignOptions):
    """A campaign with recipients. Posting further recipients continues the campaign."""

    account: str = Field(examples=["acme"])
    sender: str | list[str] = Field(
        default="",
        examples=["+15550100001"],
        description="One number, or several, each perhaps with a weight: +15550100001=3.",
    )
    pool: str | None = Field(default=None, description="Instead of `sender`: the numbers of a pool.")
    template: str = Field(
        default="", examples=["Hi {name}"], description="Required without `waba_template` or `number_check`."
    )
    sms: bool = Field(default=False, description="Send the text as an SMS.")
    waba_template: str | None = Field(default=None, description="An approved template of the Business API, `TMP...`.")
    body: list[str] = Field(default_factory=list, description="Values of its variables, with placeholders.")
    header: list[str] = Field(default_factory=list)
    buttons: list[str] = Field(default_factory=list)
    header_media_url: str | None = None
    header_media_filename: str | None = None
    content: str | None = None
    number_check: bool = Field(default=False, description="Ask of each number whether it is on WhatsApp.")
    extra_information: bool = False
    recipients: list[dict[str, Any]] = Field(
        min_length=1, max_length=10_000, examples=[[{"to": "+15550100002", "name": "Ada", "key": "customer-7"}]]
    )
    url: str | None = None
    exclude_campaigns: list[str] = Field(default_factory=list, max_length=10)
    paused: bool = False
    needs_approval: bool = False

    @model_validator(mode="after")
    def _says_who_sends(self) -> Self:
        if bool(self.sender) == bool(self.pool):
            raise ValueError("sender: give one number, several numbers, or a pool")
        return self


class Recalled(BaseModel):
    """What becomes of the messages of a campaign that are to be deleted."""

    name: str = Field(description="The campaign of deletions.")
    campaign: str
    sent: int
    deletable: int
    too_old: int = Field(description="Sent more than 60 hours ago.")
    unknown: int = Field(description="Without a uuid of the provider.")
    asked_before: int
    written: int


class Approval(BaseModel):
    """Who lets a campaign leave."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=100, examples=["Ada Lovelace"])


class ActView(BaseModel):
    """One act of a person."""

    entry_id: str
    at: datetime
    what: str = Field(examples=["campaign pause"])
    who: str
    door: str
    role: str
    account: str
    on: str
    why: str


class Acts(BaseModel):
    """Some acts, and the `after` of the next ones."""

    items: list[ActView]
    next: str | None


class Why(BaseModel):
    """Shown beside it."""

    model_config = ConfigDict(extra="forbid")

    why: str = Field(default="by hand", min_length=1, max_length=200)


class Health(BaseModel):
    """Whether state answers."""

    ready: bool
