"""Text messages over the telephone network (docs/provider.md, 2.5)."""

from collections.abc import Mapping
from typing import Any

from paceline_sandbox.answers import Answer
from paceline_sandbox.bodies import json_object, needed_number, needed_text
from paceline_sandbox.calls import Asked, Moment, Request, Service


def sms_services() -> Mapping[str, Service[Any]]:
    """Who serves what, by the operation's name."""
    return {"sms.send": Service(_parse, _perform)}


def _parse(asked: Asked, _: Moment) -> Request[None]:
    body = json_object(asked.raw_body)
    sender, target = needed_number(body, "from_number"), needed_number(body, "to_number")
    needed_text(body, "text")
    return Request("sms.send", None, sender, target, (target,))


def _perform(_: Request[None], moment: Moment) -> Answer:
    return Answer(202, {"success": True, moment.scenario.sms_id: moment.new_id("MSG")})
