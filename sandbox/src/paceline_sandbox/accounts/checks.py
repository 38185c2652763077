"""Whether a number is on WhatsApp (docs/provider.md, 2.3): a read with its own pool, price and limits."""

from collections.abc import Mapping
from typing import Any

from paceline_sandbox.accounts.phones import country_of, normalized
from paceline_sandbox.answers import Answer, JsonObject, refusal
from paceline_sandbox.bodies import as_number
from paceline_sandbox.calls import Asked, Moment, Request, Service
from paceline_sandbox.groups.participants import NOT_ON_WHATSAPP, refusal_of


def check_services() -> Mapping[str, Service[Any]]:
    """Who serves what, by the operation's name."""
    return {"number.check": Service(_parse, _perform)}


def _parse(asked: Asked, _: Moment) -> Request[str | None]:
    sender, target = as_number(asked.path["number"], "The number"), normalized(asked.path["target"])
    extra = asked.query.get("extra-information", "").lower() in {"true", "1"}
    numbers = () if target is None else (target,)
    return Request("number.check", target, sender, target, numbers, cost=2 if extra else 1)


def _perform(request: Request[str | None], moment: Moment) -> Answer:
    account, number = moment.account, request.content
    if account.checks_used >= account.settings.number_checks:
        return refusal(moment.scenario.checks_used_up_status, "Your number checks are used up")
    account.checks_used += 1
    if number is None:
        return Answer(200, {"is_valid": False})
    refused = refusal_of(number, moment.scenario)
    there = refused is None or refused.status_code != NOT_ON_WHATSAPP
    body: JsonObject = {
        "is_valid": True,
        "on_whatsapp": there,
        "number": {
            "e164_format": number,
            "iso_country_code": country_of(number),
            "region": country_of(number),
            "carrier": "Sandbox Mobile",
            "timezone": ["Etc/UTC"],
        },
    }
    if there:
        more = {"is_business": False, "profile_pic": None, "verified_name": None} if request.cost == 2 else {}
        body["whatsapp_info"] = {"number_id": f"{number[1:]}@c.us", **more}
    return Answer(200, body)
