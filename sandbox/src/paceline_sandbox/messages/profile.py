"""A number's own picture, its about text and its 24-hour stories (docs/provider.md, 2.3): looked at, logged, and not kept."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from paceline_sandbox.answers import Answer, JsonObject
from paceline_sandbox.bodies import (
    Body,
    as_number,
    json_object,
    missing,
    mistyped,
    needed_address,
    needed_object,
    needed_text,
    text,
)
from paceline_sandbox.calls import Asked, Moment, Request, Service


def _check_picture(body: Body) -> None:
    if "url" not in body:
        raise missing("url")
    if body["url"] is not None:  # null takes the picture away
        needed_address(body, "url")


def _check_about(body: Body) -> None:
    if body.get("status") is None:
        raise missing("status")
    text(body, "status")


def _check_text(body: Body) -> None:
    needed_text(body, "text")
    if body.get("params") is None:
        return
    params = needed_object(body, "params")
    text(params, "backgroundColor", "params.")
    if not isinstance(params.get("font"), str | int | None):
        raise mistyped("params.font", "str")


def _check_image(body: Body) -> None:
    needed_address(body, "image_url")


def _check_video(body: Body) -> None:
    needed_address(body, "video_url")


_CHECKS: Final[Mapping[str, Callable[[Body], None]]] = {
    "profile.picture": _check_picture,
    "profile.about": _check_about,
    "status.text": _check_text,
    "status.image": _check_image,
    "status.video": _check_video,
}


def profile_services() -> Mapping[str, Service[Any]]:
    """Who serves what, by the operation's name."""
    return {name: Service(partial(_parse, name), _perform) for name in _CHECKS}


def _parse(name: str, asked: Asked, _: Moment) -> Request[None]:
    number = as_number(asked.path["number"], "The number")
    _CHECKS[name](json_object(asked.raw_body))
    # Nobody else is concerned, so the number itself may be a magic one.
    return Request(name, None, number, number, (number,))


def _perform(request: Request[None], _: Moment) -> Answer:
    body: JsonObject = {"success": True}
    if request.operation.startswith("profile."):
        body["batched"] = True
    return Answer(200, body)
