"""Help of the commands that send: what they share is explained once, by ``paceline send --help``."""

from typing import Any, Final

from typer.core import TyperCommand

# The command whose help explains the options of all.
FIRST: Final = "send"
# Parameters of `paceline.cli.send.submit` that are the same for every message; a test holds the two together.
SHARED: Final = frozenset({
    "priority",
    "key",
    "not_before",
    "valid_until",
    "window",
    "on_unknown",
    "max_attempts",
    "metadata",
    "exempt",
    "wait",
    "until_settled",
    "quiet",
})  # fmt: skip


class SendingCommand(TyperCommand):
    """A command whose help lists its own options, and names those of all messages under a heading of their own."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, own options and shared options."""
        arguments, own, shared, flags = [], [], [], []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                arguments.append(record)
            elif parameter.name in SHARED:
                shared.append(record)
                flags.append(parameter.opts[0])
            else:
                own.append(record)

        for heading, records in (("Arguments", arguments), ("Options", own)):
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
        if ctx.info_name == FIRST:
            with formatter.section("Options of every message"):
                formatter.write_dl(shared)
        elif flags:
            with formatter.section(f"Options of every message, explained by `paceline {FIRST} --help`"):
                formatter.write_text(", ".join(flags))
