"""What a campaign sends to each recipient: a message, an SMS, an official template; or what it asks about each number."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from paceline.campaigns.spec import CampaignSpec
from paceline.errors import InvalidOperation
from paceline.operations import CheckNumber, Operation, SendMessage, SendSms, SendTemplate
from paceline.operations.others import LONGEST_SMS
from paceline.recipients.cells import CONTROL, is_blank
from paceline.state.envelopes import ENVELOPE
from paceline.template import Template, compiled, compiled_params, filled

# For checking the options of a campaign with the model of a single operation.
_ANY_ADDRESS: Final = "https://example.com/x"
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")
_WHOLE_ADDRESS: Final = re.compile(r"\{[^{}]*\}")
_HOST_FIRST: Final = re.compile(r"https://[^/?#{}]+[/?#]")
_OF_OFFICIAL: Final = ("body", "header", "buttons", "header_media_url", "header_media_filename", "content")
_SEVERAL: Final = ("body", "header", "buttons")
# The kinds whose text can be corrected while nothing has left.
WITH_TEXT: Final = ("message.to_number", "sms.send")


def content_of(campaign: CampaignSpec, **common: Any) -> tuple[Template, Operation]:
    """What the operations of a campaign are made of, and one of them as a row could make it, which checks all options.

    Args:
        campaign: its options.
        common: what a single operation has besides its content: account, sender, times, policies.

    Raises:
        InvalidOperation: names the option that cannot be, or those that do not go together.
    """
    check_together(campaign)
    to = common.pop("to")
    if campaign.get("number_check"):
        fields = {"extra_information": True} if campaign.get("extra_information") else {}
        return Template(fields), CheckNumber(number=to, extra_information=bool(fields), **common)

    if uuid := campaign.get("waba_template"):
        return _official(campaign, uuid, to=to, **common)

    template, url = campaign.get("template", ""), campaign.get("url")
    literal_braces = campaign.get("literal_braces", False)
    check_text(template, has_url=url is not None)

    if campaign.get("sms"):
        made = compiled(template, literal_braces=literal_braces)
        sms = Template(made.fields, made.slots, LONGEST_SMS)
        return sms, SendSms(to=to, text=template, **common)

    made = compiled(None if is_blank(template) else template, url, literal_braces=literal_braces)
    text = template if "text" in made.fields else None
    return made, SendMessage(to=to, text=text, url=sample_address(url) if url is not None else None, **common)


def check_together(campaign: CampaignSpec) -> None:
    """Refuse options that belong to different contents.

    Raises:
        InvalidOperation: names them.
    """
    given = [name for name in ("template", "waba_template", "number_check") if campaign.get(name)]
    if len(given) > 1:
        raise InvalidOperation(f"{given[1]}: excludes {given[0]}; give one of them")
    for name in _OF_OFFICIAL:
        if campaign.get(name) and not campaign.get("waba_template"):
            raise InvalidOperation(f"{name}: needs waba_template")
    if campaign.get("extra_information") and not campaign.get("number_check"):
        raise InvalidOperation("extra_information: needs number_check")
    for name in ("sms", "url"):
        if campaign.get(name) and (campaign.get("waba_template") or campaign.get("number_check")):
            raise InvalidOperation(f"{name}: needs template")
    if campaign.get("sms") and campaign.get("url"):
        raise InvalidOperation("url: an SMS has no attachment; write the address into the text")


def _official(campaign: CampaignSpec, uuid: str, *, to: str, **common: Any) -> tuple[Template, Operation]:
    """An official template, whose variables hold placeholders."""
    given: dict[str, Any] = {name: campaign[name] for name in _OF_OFFICIAL if campaign.get(name)}
    content = given.pop("content", None)
    for name in _SEVERAL:
        if isinstance(given.get(name), str):
            given[name] = [given[name]]

    for name, texts in given.items():
        for text in [texts] if isinstance(texts, str) else texts:
            if CONTROL.search(text):
                raise InvalidOperation(f"{name}: holds a control character")

    made = compiled_params(given, literal_braces=campaign.get("literal_braces", False))
    sample: dict[str, Any] = dict(given)
    if url := given.get("header_media_url"):
        sample["header_media_url"] = sample_address(url, "header_media_url")

    try:
        operation = SendTemplate(to=to, template=uuid, content=content, **sample, **common)
    except InvalidOperation as error:  # of a campaign, `template` is the text
        raise InvalidOperation(re.sub(r"^template:", "waba_template:", str(error))) from error

    params = {name: made.fields["params"][name] for name in operation.payload()["params"]}
    return Template({"template_uuid": uuid, "params": params}, made.slots), operation


def check_text(template: str, *, has_url: bool) -> None:
    """Refuse a text that no row can mend.

    Raises:
        InvalidOperation: the text is empty without an attachment, or holds a control character.
    """
    if CONTROL.search(template):
        raise InvalidOperation("template: holds a control character")
    if is_blank(template) and not has_url:
        raise InvalidOperation("template: is empty")


def sample_address(url: str, name: str = "url") -> str:
    """An address as a row could make it: a placeholder stands behind the host, or is the whole address.

    Args:
        url: with its placeholders.
        name: of the option.
    """
    if "{" not in url:
        return url
    if _WHOLE_ADDRESS.fullmatch(url):
        return _ANY_ADDRESS
    if not _HOST_FIRST.match(url):
        raise InvalidOperation(f"{name}: a placeholder may stand after the host, or be the whole address")
    return _PLACEHOLDER.sub("x", url)


def credits_of(template: str) -> int:
    """How many credits one operation of a campaign costs; each is one call.

    Args:
        template: payload of its operations, JSON; of an encrypted one the lesser figure is told.
    """
    if template.startswith(ENVELOPE):
        return 1
    return 2 if json.loads(template).get("extra_information") else 1


def operation_of(kind: str, payload: Mapping[str, Any], **common: Any) -> Operation:
    """A single operation with the payload of a campaign's row.

    Args:
        kind: of the campaign.
        payload: filled.
        common: recipient, account, sender.

    Raises:
        InvalidOperation: the payload cannot be, or the campaign sends no message.
    """
    if kind == "number.check":
        raise InvalidOperation("to: a number check sends no message that a test could show")
    if kind == "sms.send":
        return SendSms(text=payload["text"], **common)
    if kind == "waba.template":
        return SendTemplate(template=payload["template_uuid"], **payload["params"], **common)
    return SendMessage(text=payload.get("text"), url=payload.get("url"), **common)


def shown(template: Mapping[str, Any], values: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The words and the address of a filled payload, for people.

    Args:
        template: as it is stored.
        values: of a row.
    """
    payload = filled(template, values)
    if "params" not in payload:
        return payload.get("text"), payload.get("url")
    params = dict(payload["params"])
    url = params.pop("header_media_url", None)
    words = [f"{name}: {_joined(value)}" for name, value in params.items()]
    return "; ".join([f"template {payload['template_uuid']}", *words]), url


def _joined(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
