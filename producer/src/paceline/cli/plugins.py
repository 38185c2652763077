"""Commands of packages that the thin package does not know, found through the entry points ``paceline.commands``."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from paceline.errors import PacelineError

GROUP: Final = "paceline.commands"

# The package of a command that cannot be loaded -> the extras that bring all it needs.
_EXTRAS: Final = {"paceline_worker": "cli,worker", "paceline_sandbox": "cli,worker,embedded,sandbox"}


class MissingExtraError(PacelineError):
    """The command needs packages that are not installed."""


class PluginGroup(TyperGroup):
    """The commands of this package, and after them those of entry points, each loaded when it is asked for.

    ``paceline send`` thus starts without importing the worker; ``paceline --help`` imports all.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """All names: ours in the order of the help, then the others by name."""
        own = list(super().list_commands(ctx))
        return own + sorted({entry.name for entry in entry_points(group=GROUP)}.difference(own))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Ours, or the loaded entry point, or None."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for entry in entry_points(group=GROUP, name=cmd_name):
            return _loaded(entry)
        return None


def _loaded(entry: EntryPoint) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    try:
        found = entry.load()
    except ImportError as error:
        _add_placeholder(app, entry, error)
        return get_command(app)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = entry.name
        return group
    app.command(entry.name)(found)
    return get_command(app)


def _add_placeholder(app: typer.Typer, entry: EntryPoint, cause: ImportError) -> None:
    extras = _EXTRAS.get(entry.module.partition(".")[0], "cli,worker")
    remedy = f"pip install 'paceline[{extras}]'"
    settings = {"ignore_unknown_options": True, "allow_extra_args": True}

    @app.command(entry.name, help=f"Not installed: {remedy}", context_settings=settings, add_help_option=False)
    def missing() -> None:
        raise MissingExtraError(
            f"'paceline {entry.name}' cannot load {cause.name or entry.module}: {remedy}"
        ) from cause
