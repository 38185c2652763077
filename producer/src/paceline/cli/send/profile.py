"""Stories and the profile of a connected number."""

from typing import Annotated, Unpack

import typer

from paceline.cli.commands import example
from paceline.cli.panels import SendingCommand
from paceline.cli.send.submit import Common, submits
from paceline.errors import InvalidOperation
from paceline.operations import PostStory, SetAbout, SetProfilePicture

app = typer.Typer(help="Profile of a connected number.")


@submits()
def story(
    *,
    text: Annotated[str | None, typer.Option("--text", help="Text of the story.")] = None,
    image_url: Annotated[
        str | None,
        typer.Option("--image-url", metavar="URL", help="Public https address of a picture, instead of text."),
    ] = None,
    video_url: Annotated[
        str | None, typer.Option("--video-url", metavar="URL", help="Public https address of a video, instead of text.")
    ] = None,
    background_color: Annotated[
        str | None,
        typer.Option(
            "--background-color", metavar="#RRGGBB", help="Background colour of a text, #RRGGBB or #AARRGGBB."
        ),
    ] = None,
    font: Annotated[
        int | None, typer.Option("--font", metavar="0-10", help="Font number of a text, as WhatsApp defines it.")
    ] = None,
    **common: Unpack[Common],
) -> PostStory:
    """Post a story for 24 hours: text, a picture or a video."""
    return PostStory(
        text=text, image_url=image_url, video_url=video_url, background_color=background_color, font=font, **common
    )


@submits()
def about(
    *,
    text: Annotated[str, typer.Option("--text", help="Text beside the number, at most 139 characters.")],
    **common: Unpack[Common],
) -> SetAbout:
    """Set the "about" line."""
    return SetAbout(text=text, **common)


@submits()
def picture(
    *,
    url: Annotated[str | None, typer.Option("--url", help="Public https address of the picture.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the current picture instead.")] = False,
    **common: Unpack[Common],
) -> SetProfilePicture:
    """Set or remove the picture."""
    if remove == (url is not None):
        raise InvalidOperation("--url, --remove: give exactly one of them")
    return SetProfilePicture(url=url, **common)


app.command(
    cls=SendingCommand,
    epilog=example('paceline profile about --account acme --from +15550100001 --text "Open until six"'),
)(about)
app.command(
    cls=SendingCommand,
    epilog=example("paceline profile picture --account acme --from +15550100001 --url https://example.com/logo.jpg"),
)(picture)
