"""The options of a campaign: the one list that `Outbox`, `AsyncOutbox`, plans, the gateway and the command line share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Required, TypedDict

from paceline.campaigns.options import CampaignOptions, OnSenderFailure
from paceline.campaigns.senders import from_pool
from paceline.errors import InvalidOperation
from paceline.operations import OnUnknown
from paceline.recipients.columns import Reading, reading_of


class CampaignSpec(TypedDict, total=False):
    """Keyword arguments of `Outbox.start_campaign` and `Outbox.plan_campaign` that describe a campaign.

    A new option is one line here. `CampaignOptions` holds the options that `Campaign.change` may change later.

    Args:
        account: account name. Required.
        sender: E.164; or several, of which each recipient keeps one, each as ``+15550100001`` or with a weight as
            ``+15550100001=3``. Required, unless there is a ``pool``.
        pool: name of a pool of senders of the account, instead of ``sender``.
        on_sender_failure: what becomes of the recipients of a sender that fails, where there are several: ``hand-over`` gives
            them to the others, ``stop`` lets them wait. Default: ``hand-over``.
        template: text with ``{column}`` and ``{column|default}`` placeholders. Required, unless there is a ``waba_template`` or
            a ``number_check``.
        sms: send the text as an SMS, at most 1,600 characters.
        waba_template: uuid of an approved template of the Business API, ``TMP...``, instead of ``template``.
        body: values of ``{{1}}``, ``{{2}}`` ... of that template, each a text with placeholders.
        header: values of the header's variables, likewise.
        buttons: values of the buttons' variables, likewise.
        header_media_url: address of the header's file, with placeholders as ``url``.
        header_media_filename: what the header's document is called, with placeholders.
        content: the words of the template, when known: a wrong number of values in ``body`` is refused at once.
        number_check: send nothing, and ask of each number whether it is on WhatsApp.
        extra_information: of a number check: ask for more, which costs a second credit.
        url: attachment of every message. Placeholders are filled in, percent-encoded unless a placeholder is the whole address.
        not_before: nothing is sent earlier; a row may have its own.
        valid_until: nothing is sent later. Default: 24 hours from now, or from ``not_before`` on; of a campaign that is
            continued, its own validity where that is longer.
        on_unknown: policy for calls of unknown outcome. Default: ``reconcile``.
        max_attempts: calls before an operation is dead. Default: 8.
        weight: share of the sender's turns, 1 to 1000. Default: 1.
        rate: greatest rate, such as ``100/minute``. Default: the account's.
        ramp: most messages that each number sends on its first day, its second and so on, such as ``20,40,80``: for numbers that
            are new. The last figure holds for all later days. Default: no such limit.
        window: local hours with a zone in which the campaign sends, such as ``Mon-Fri 09:00-18:00 Europe/Berlin``. The zone
            ``recipient`` stands for the zones of each recipient: those of a column ``zone``, else of the number.
        auto_pause: percentage of rejections among the last 100 answers above which the campaign pauses; 0 is never. Default: 20.
        not_within: recipients who had a bulk message of the account within this time before their turn, such as ``7d``, end as
            ``suppressed``. The account must remember for as long (`paceline accounts change --remember`).
        exclude_campaigns: names of campaigns whose recipients are left out, unless those were not reached; the rows end as
            ``suppressed``. Recipients are the same when their ``key`` is, or their number if they have none.
        to_column: the column with the numbers. Default: ``to``.
        ignore_columns: columns without meaning, though their names look like ``key``, ``not_before`` or ``valid_until``.
        default_country: two letters. Numbers without a country code belong to this country, and numbers may hold blanks and dashes.
            Default: only E.164 is taken.
        literal_braces: send ``{{word}}`` as ``{word}``. By default it is refused, because most who write it mean a column.
        check_numbers: no effect; numbers are always checked in full.
    """

    account: Required[str]
    sender: str | Sequence[str]
    pool: str | None
    on_sender_failure: OnSenderFailure | None
    template: str
    sms: bool
    waba_template: str | None
    body: Sequence[str]
    header: Sequence[str]
    buttons: Sequence[str]
    header_media_url: str | None
    header_media_filename: str | None
    content: str | None
    number_check: bool
    extra_information: bool
    url: str | None
    not_before: datetime | None
    valid_until: datetime | None
    on_unknown: OnUnknown
    max_attempts: int | None
    weight: int | None
    rate: str | None
    ramp: str | None
    window: str | None
    auto_pause: int | None
    not_within: str | None
    exclude_campaigns: Iterable[str]
    to_column: str | None
    ignore_columns: Iterable[str]
    default_country: str | None
    literal_braces: bool
    check_numbers: bool


def check_names(given: Mapping[str, Any]) -> None:
    """Refuse keyword arguments as Python does where a function lists them.

    Args:
        given: what a caller passed as a `CampaignSpec`.

    Raises:
        TypeError: an argument is missing, or is none of the options.
    """
    if unexpected := sorted(given.keys() - CampaignSpec.__annotations__.keys()):
        raise TypeError(f"a campaign has no option {', '.join(map(repr, unexpected))}; CampaignSpec lists the options")
    missing = sorted(CampaignSpec.__required_keys__ - given.keys())
    if "sender" not in given and not given.get("pool"):
        missing.append("sender")
    if "template" not in given and not given.get("waba_template") and not given.get("number_check"):
        missing.append("template")
    if missing:
        raise TypeError(f"a campaign needs {', '.join(map(repr, missing))}")


def with_pool(spec: CampaignSpec, pools: Callable[[str], Mapping[str, str]]) -> CampaignSpec:
    """The same with the numbers of its pool.

    Args:
        spec: the options.
        pools: the pools of an account, as state has them.

    Raises:
        InvalidOperation: it names a sender as well, or the account has no pool of that name.
    """
    name = spec.get("pool")
    if name is None:
        return spec
    if spec.get("sender"):
        raise InvalidOperation("pool: give either a pool or senders")
    known = pools(spec["account"])
    if name not in known:
        found = ", ".join(sorted(known)) or "none"
        raise InvalidOperation(f"pool: account {spec['account']!r} has no pool {name!r} (found: {found})")
    return {**spec, "sender": [str(sender) for sender in from_pool(known[name])]}


def changeable(spec: CampaignSpec) -> CampaignOptions:
    """The options that may be changed later, apart from ``valid_until``, which an upload keeps with its rows.

    Raises:
        InvalidOperation: an option has a value that cannot be; the message names it.
    """
    names = CampaignOptions.model_fields.keys() - {"valid_until"}
    return CampaignOptions(**{name: value for name, value in spec.items() if name in names})


def reading(spec: CampaignSpec) -> Reading:
    """How the recipients of a campaign are read.

    Raises:
        InvalidOperation: names the option that cannot be.
    """
    return reading_of(spec.get("to_column"), spec.get("ignore_columns", ()), spec.get("default_country"))
