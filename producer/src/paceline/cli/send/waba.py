"""The official WhatsApp Business API channel: templates, and messages within the 24 hours."""

import json
from pathlib import Path
from typing import Annotated, Unpack

import typer

from paceline.cli.options import Size, Url
from paceline.cli.send.submit import Common, submits
from paceline.errors import InvalidOperation
from paceline.operations import Interactive, SendTemplate, SendWaba

To = Annotated[str, typer.Option("--to", metavar="+NUMBER", help="Recipient, E.164.")]


@submits(template="TEMPLATE", buttons="--button")
def template(
    *,
    template_uuid: Annotated[str, typer.Argument(metavar="TEMPLATE", help="Uuid of the approved template, TMP...")],
    to: To,
    body: Annotated[
        list[str] | None,
        typer.Option("--body", metavar="VALUE", help="Value of {{1}}, then of {{2}} ... of the body; repeatable."),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="VALUE", help="Value of the header's variable.")
    ] = None,
    button: Annotated[
        list[str] | None,
        typer.Option("--button", metavar="VALUE", help="Value of a button's variable; repeatable."),
    ] = None,
    header_media_url: Annotated[
        str | None,
        typer.Option("--header-media-url", metavar="URL", help="Public https address of the header's file."),
    ] = None,
    header_media_filename: Annotated[
        str | None, typer.Option("--header-media-filename", metavar="NAME", help="Name of the header's file.")
    ] = None,
    content: Annotated[
        str | None,
        typer.Option(
            "--content", metavar="WORDS", help="Text of the template; a missing variable is then refused at once."
        ),
    ] = None,
    **common: Unpack[Common],
) -> SendTemplate:
    """Send an approved template from a number of the Business API, at any time."""
    return SendTemplate(
        to=to,
        template=template_uuid,
        body=tuple(body or ()),
        header=tuple(header or ()),
        buttons=tuple(button or ()),
        header_media_url=header_media_url,
        header_media_filename=header_media_filename,
        content=content,
        **common,
    )


@submits(media_bytes="--size")
def waba(
    *,
    to: To,
    text: Annotated[str | None, typer.Option("--text", help="Text of the message; with --url, the caption.")] = None,
    url: Url = None,
    size: Size = None,
    interactive: Annotated[
        Path | None,
        typer.Option("--interactive", metavar="FILE.json", help="Buttons, a list or a link, instead of text and url."),
    ] = None,
    **common: Unpack[Common],
) -> SendWaba:
    """Send a message from a number of the Business API, within 24 hours of the recipient's last message.

    FILE.json is an object of `body` and one of `buttons` ([{"id", "label"}]), `url_button` ({"label", "url"}) and
    `sections` ([{"title", "rows": [{"id", "title", "description"}]}]) with `list_label`; optional are `header`, `footer`.
    """
    words = None if interactive is None else _interactive(interactive)
    return SendWaba(to=to, text=text, url=url, media_bytes=size, interactive=words, **common)


def _interactive(path: Path) -> Interactive:
    """An interactive message out of a file; what is wrong is told with the file's name and the field's path."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        if isinstance(found, dict):
            return Interactive(**found)
    except InvalidOperation as error:
        raise InvalidOperation(f"--interactive: {path.name}: {error}") from error
    except OSError as error:
        raise InvalidOperation(f"--interactive: {path.name} cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidOperation(f"--interactive: {path.name} is not JSON: {error.msg} ({where})") from error
    except (ValueError, RecursionError) as error:
        raise InvalidOperation(f"--interactive: {path.name} is not JSON in UTF-8") from error
    raise InvalidOperation(f"--interactive: {path.name} is not a JSON object")
