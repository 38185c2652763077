"""What ``paceline --help`` lists. The module of a command is imported when somebody calls it, and not before.

The words are the first sentence of what a command says of itself; a test holds the two together.
"""

from dataclasses import dataclass
from typing import Final

EXAMPLE: Final = "\b\nExample:\n  "


def example(*lines: str) -> str:
    """The end of a help text: commands to copy, not wrapped."""
    return EXAMPLE + "\n  ".join(lines)


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a group of commands.

    Args:
        target: where it is, as in ``module:attribute``: a function, or a `typer.Typer` of a group.
        words: the sentence that the list of commands shows.
        epilog: the end of a function's help.
        needs: third-party modules without which it cannot be imported.
        passes_on: it leaves its arguments to another program.
        panel: heading under which the list of commands shows it.
    """

    target: str
    words: str
    epilog: str | None = None
    needs: tuple[str, ...] = ()
    passes_on: bool = False
    panel: str = "Send"


_FROM: Final = "--account acme --from +15550100001"
_HI: Final = f'{_FROM} --to +15550100002 --text "Hello"'

# Headings of the list of commands, in this order; commands of other packages stand under the last one.
PANELS: Final = ("Send", "Campaigns", "Look", "When something is wrong", "Set up", "Programs", "Further commands")

# In the order of the help.
COMMANDS: Final[dict[str, Command]] = {
    "send": Command(
        "paceline.cli.send.messages:send",
        "Send one message; once this command returns, the message cannot be lost.",
        example(f"paceline send {_HI} --wait 5"),
    ),
    "delete": Command(
        "paceline.cli.send.messages:delete",
        "Delete a sent message for everybody, up to 60 hours after it was sent.",
        example(f"paceline delete 01k0zxw5d3v8m2c7r4q9n6t1ea {_FROM}"),
    ),
    "story": Command(
        "paceline.cli.send.profile:story",
        "Post a story for 24 hours: text, a picture or a video.",
        example(f'paceline story {_FROM} --text "We are back" --background-color "#205081"'),
    ),
    "template": Command(
        "paceline.cli.send.waba:template",
        "Send an approved template from a number of the Business API, at any time.",
        example(
            f"paceline template TMP11111111-2222-4333-8444-555555555555 {_FROM} \\",
            '  --to +15550100002 --body Ann --body "order 17" --content "Dear {{1}}, {{2}} is on its way."',
        ),
    ),
    "waba": Command(
        "paceline.cli.send.waba:waba",
        "Send a message from a number of the Business API, within 24 hours of the recipient's last message.",
        example(f"paceline waba {_FROM} --to +15550100002 --interactive offer.json"),
    ),
    "sms": Command(
        "paceline.cli.send.others:sms", "Send an SMS from a number that supports SMS.", example(f"paceline sms {_HI}")
    ),
    "status": Command(
        "paceline.cli.show.inspect:status",
        "Show where one operation is, what its calls brought, and what happened to it.",
        example("paceline status 01k0zxw5d3v8m2c7r4q9n6t1ea"),
        panel="Look",
    ),
    "explain": Command(
        "paceline.cli.show.inspect:explain",
        "Explain why an operation waits and until when, or show its outcome.",
        example("paceline explain 01k0zxw5d3v8m2c7r4q9n6t1ea"),
        panel="Look",
    ),
    "find": Command(
        "paceline.cli.show.find:find",
        "Find operations by recipient, by idempotency key, or by the row of a campaign.",
        example("paceline find --to +15550100002", "paceline find --key inv-1 --account acme"),
        panel="Look",
    ),
    "cancel": Command(
        "paceline.cli.show.find:cancel",
        "Cancel one operation that has not begun.",
        example('paceline cancel 01k0zxw5d3v8m2c7r4q9n6t1ea --why "called back"'),
        panel="Send",
    ),
    "outcomes": Command(
        "paceline.cli.show.outcomes:outcomes",
        "Print outcomes of operations (accepted, rejected, expired, ...), oldest first; --follow prints new ones.",
        example(
            "paceline outcomes --campaign spring --format csv --output spring.csv",
            "paceline outcomes --follow --outcome rejected --outcome dead",
        ),
        panel="Look",
    ),
    "audit": Command(
        "paceline.cli.show.audit:audit",
        "Prove that nothing is lost: every operation is refused, waiting, in flight, or has its outcome.",
        example("paceline audit || echo 'something is lost'"),
        panel="Look",
    ),
    "profile": Command("paceline.cli.send.profile:app", "Profile of a connected number.", panel="Send"),
    "group": Command("paceline.cli.send.groups:app", "Groups.", panel="Send"),
    "number": Command("paceline.cli.send.checks:numbers", "Number checks.", panel="Look"),
    "campaign": Command(
        "paceline.cli.campaign.commands:app", "Campaigns: one template, many recipients.", panel="Campaigns"
    ),
    "health": Command(
        "paceline.cli.show.health:health",
        "Check the health of a running program.",
        example(
            "paceline health", "paceline health exporter --live", "paceline health gateway --url http://10.0.0.7:9811"
        ),
        panel="When something is wrong",
    ),
    "history": Command(
        "paceline.cli.show.history:history",
        "Show who did what: all acts at the command line and the gateway, oldest first.",
        example("paceline history --account acme --since 7d", "paceline history --follow --json"),
        panel="Look",
    ),
    "suppress": Command(
        "paceline.cli.suppress:app", "Suppression lists: numbers that nobody may write to.", panel="Campaigns"
    ),
    "gateway": Command(
        "paceline.gateway.cli:gateway",
        "Serve operations, campaigns and outcomes over HTTP, for services in any language.",
        example("paceline gateway --port 9811"),
        panel="Programs",
    ),
    "pools": Command(
        "paceline.cli.pools:app",
        "Pools of senders: several numbers of an account share its campaigns.",
        panel="Campaigns",
    ),
    "tokens": Command("paceline.gateway.cli:tokens_app", "Tokens of the HTTP gateway.", panel="Set up"),
    "secret": Command("paceline.cli.secret:app", "Secrets for the environment.", panel="Set up"),
}

_PROVIDER: Final = ("aiohttp", "cryptography", "httpx", "httpx_aiohttp", "limits")

# Those of our own packages beside this one, by what their entry points name. Others say their words themselves.
BESIDE: Final[dict[str, Command]] = {
    command.target: command
    for command in (
        Command(
            "paceline_worker.cli.accounts.commands:app",
            "Accounts: 2Chat API keys under names, each with its limits.",
            needs=_PROVIDER,
            panel="Set up",
        ),
        Command(
            "paceline_worker.cli.dead:app",
            "Dead letters: operations that were rejected or whose attempts are used up.",
            panel="When something is wrong",
        ),
        Command(
            "paceline_worker.cli.unknown:app",
            "Held operations: nobody knows whether their call took effect, so a person decides.",
            panel="When something is wrong",
        ),
        Command(
            "paceline_worker.cli.receipts:app",
            "Receipts: the provider's reports on messages after they were accepted.",
            needs=_PROVIDER,
            panel="Set up",
        ),
        Command(
            "paceline_worker.cli.hooks:app",
            "Webhooks out: post signed events to other services.",
            needs=("aiohttp", "cryptography", "prometheus_client", "structlog"),
            panel="Set up",
        ),
        Command(
            "paceline_worker.cli.doctor:doctor",
            "Find obstacles to sending: state, broker, provider, limits of this machine.",
            needs=_PROVIDER,
            panel="When something is wrong",
        ),
        Command(
            "paceline_worker.cli.programs:worker",
            "Run a worker, which sends messages.",
            example("paceline worker", "paceline worker --concurrency 8 --loglevel INFO"),
            needs=_PROVIDER,
            passes_on=True,
            panel="Programs",
        ),
        Command(
            "paceline_worker.cli.programs:exporter",
            "Run the exporter, which shows the state to Prometheus.",
            example("paceline exporter", "paceline exporter --once"),
            needs=_PROVIDER,
            panel="Programs",
        ),
        Command(
            "paceline_worker.cli.programs:receiver",
            "Run the receiver, which takes 2Chat's webhooks.",
            example("paceline receiver --port 9810"),
            needs=_PROVIDER,
            panel="Programs",
        ),
        Command("paceline_worker.cli.shards:app", "Shards of the state, and accounts between them.", panel="Set up"),
        Command("paceline_worker.cli.state:app", "Shards and schema of the state.", panel="Set up"),
        Command(
            "paceline_worker.cli.forget:forget",
            "Forget a person: delete all data of a number, while everything runs.",
            panel="Set up",
        ),
        Command(
            "paceline_worker.console.cli:console",
            "Serve pages for operators: accounts, campaigns, held messages, dead letters.",
            example(
                "paceline tokens create anna --scope read,campaigns,operate --account '*' --expires 90d",
                "paceline console",
            ),
            needs=_PROVIDER,
            panel="Programs",
        ),
        Command(
            "paceline_sandbox.demo:demo",
            "Watch campaigns leave at pace on this machine, while the provider fails and a worker is killed.",
            needs=("aiohttp",),
            panel="Programs",
        ),
    )
}
