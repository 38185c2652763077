"""What is wrong now, the worst first, and what to do about each of them: pure decisions over a census."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from paceline.campaigns.progress import progress_of
from paceline.cli.render import counted
from paceline.state.pictures import FleetSnapshot
from paceline_worker.exporter.readings import AccountReading, FleetReading
from paceline_worker.hooks.review import BY_HAND, state_of
from paceline_worker.hooks.stored import StoredHook

Level = Literal["bad", "warn", "quiet"]
_ORDER: Final[Mapping[Level, int]] = {"bad": 0, "warn": 1, "quiet": 2}
_WEEK_S: Final = 7 * 86_400
_FULL: Final = 0.8
# Records that no worker accepted: fewer are on their way.
_STUCK: Final = 100
_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong.

    Args:
        level: ``bad`` (messages do not leave, or are lost), ``warn`` (a person should look), ``quiet`` (worth knowing).
        title: a sentence.
        todo: what to do, in a sentence.
        links: page below the console and its name, of what it is about.
        runbook: name of the runbook, or ''.
    """

    level: Level
    title: str
    todo: str
    links: tuple[tuple[str, str], ...] = ()
    runbook: str = ""


def troubles(
    accounts: Sequence[AccountReading],
    fleet: FleetReading,
    reach: FleetSnapshot,
    now_s: float,
    hooks: Sequence[StoredHook] = (),
) -> list[Trouble]:
    """Everything that is wrong.

    Args:
        accounts: those that the viewer may know of.
        fleet: what concerns all accounts.
        reach: which workers reach the provider.
        now_s: seconds since the epoch.
        hooks: those that the viewer may know of.

    Returns:
        Troubles, the worst first.
    """
    found = [
        *_of_shards(reach.shards_away),
        *_of_fleet(accounts, fleet, reach),
        *_of_accounts(accounts, now_s),
        *_of_campaigns(accounts),
    ]
    found += _of_hooks(hooks)
    return sorted(found, key=lambda trouble: _ORDER[trouble.level])


def _of_shards(away: Sequence[int]) -> Iterator[Trouble]:
    if away:
        whose = "The state server of shard" if len(away) == 1 else "The state servers of shards"
        verb = "does" if len(away) == 1 else "do"
        yield Trouble(
            "bad",
            f"{whose} {', '.join(map(str, away))} {verb} not answer: accounts there are not shown.",
            "Messages of these accounts wait, and nothing is lost. Look after the server.",
            (),
            "StateShardDown",
        )


def _of_fleet(accounts: Sequence[AccountReading], fleet: FleetReading, reach: FleetSnapshot) -> Iterator[Trouble]:
    backlog = sum(account.backlog for account in accounts)
    if not fleet.workers:
        waits = f": {backlog:,} messages wait" if backlog else ""
        level: Level = "bad" if backlog or fleet.inbox else "warn"
        yield Trouble(level, f"No worker is running{waits}.", "Start a worker, and read its log.", (), "NoWorker")
    elif number := reach.unreachable:
        why = reach.unreachable_why or "no reason given"
        level = "bad" if number >= len(fleet.workers) else "warn"
        yield Trouble(
            level,
            f"{number} of {len(fleet.workers)} workers cannot reach the provider: {why}",
            "Check DNS, proxy and certificates of that machine with `paceline doctor`.",
        )
    elif fleet.inbox > _STUCK:
        yield Trouble(
            "warn",
            f"{fleet.inbox:,} records are written and not accepted.",
            "Check with `paceline doctor` that workers hear the broker.",
            (),
            "InboxStuck",
        )

    if fleet.breaker_open:
        yield Trouble(
            "bad",
            "The provider fails for all accounts; workers only try now and then.",
            "Wait: sending continues when the provider answers. Check the provider's status page.",
            (),
            "BreakerOpen",
        )

    if fleet.aof_enabled is False:
        yield Trouble("warn", "The state server keeps no append-only file.", "Set appendonly yes.", (), "StateAofOff")
    elif fleet.aof_last_write_ok is False:
        yield Trouble(
            "bad", "The state server cannot write its append-only file.", "Check its disk.", (), "AofWriteFailing"
        )

    if fleet.memory_limit and fleet.memory > _FULL * fleet.memory_limit:
        share = round(100 * fleet.memory / fleet.memory_limit)
        yield Trouble("bad", f"The state server's memory is {share} % full.", "Raise maxmemory.", (), "StateMemory")

    if lost := sum(abs(account.unaccounted) for account in accounts):
        yield Trouble(
            "bad",
            f"{lost:,} operations are unaccounted for.",
            "Run `paceline audit`, keep the logs, and report it.",
            (),
            "Unaccounted",
        )


# Long, because what troubles accounts is told here in one order, the worst first.
def _of_accounts(accounts: Sequence[AccountReading], now_s: float) -> Iterator[Trouble]:
    by_why: dict[str, list[AccountReading]] = {}
    for account in accounts:
        if account.suspended:
            by_why.setdefault(account.suspended, []).append(account)

    for why, suspended in by_why.items():
        kept = sum(account.backlog + account.scheduled for account in suspended)
        by_hand = why == "by hand"
        yield Trouble(
            "warn" if by_hand else "bad",
            f"{_named(suspended, 'is', 'are')} suspended: {why}. {kept:,} messages wait.",
            "Resume the account when it may send." if by_hand else "Fix the cause or rotate the key, then resume.",
            _links(suspended),
            "AccountSuspended",
        )

    yield from _grouped(
        [account for account in accounts if account.breaker == "open" and not account.suspended],
        "bad",
        (
            "gets failures from the provider; only probes go out.",
            "get failures from the provider; only probes go out.",
        ),
        "Wait, and check the account's last answers in Outcomes.",
        "BreakerOpen",
    )
    yield from _grouped(
        [account for account in accounts if account.paused and account.breaker != "open" and not account.suspended],
        "warn",
        ("pauses because the provider throttled it (429).", "pause because the provider throttled them (429)."),
        "Check whether something else uses the same API key.",
        "SelfInflicted429",
    )
    yield from _grouped(
        [account for account in accounts if account.credits is not None and account.credits < max(1, account.backlog)],
        "warn",
        ("has fewer credits than waiting messages.", "have fewer credits than waiting messages."),
        "Buy credits.",
        "CreditsLow",
    )
    yield from _grouped(
        [account for account in accounts if account.expires_s is not None and account.expires_s - now_s < _WEEK_S],
        "warn",
        ("expires within a week.", "expire within a week."),
        "Renew the subscription at the provider.",
        "AccountExpiresSoon",
    )
    if held := sum(account.held for account in accounts):
        yield Trouble(
            "warn",
            f"{_messages(held)} held: nobody knows whether the provider sent {'it' if held == 1 else 'them'}.",
            "Read the conversations, then release (send again) or drop.",
            (("/held", "Decide"),),
            "HeldGrowing",
        )
    if late := sum(account.late for account in accounts):
        yield Trouble(
            "warn",
            f"{_messages(late)} too late: their turn comes after their validity ends.",
            "Raise the limit, or extend the campaign's validity.",
            _links([account for account in accounts if account.late]),
            "BacklogLate",
        )
    if dead := sum(account.dead for account in accounts):
        yield Trouble(
            "quiet",
            f"{_messages(dead)} rejected or given up.",
            "Read the provider's reasons; replay what you have fixed.",
            (("/dead", "Dead letters"),),
            "DeadLettersGrowing",
        )


def _of_campaigns(accounts: Sequence[AccountReading]) -> Iterator[Trouble]:
    for campaign in (campaign for account in accounts for campaign in account.campaigns):
        progress = progress_of(campaign.name, campaign.campaign)
        if progress.hold == "paused" and campaign.rejected_ratio and campaign.rejected_ratio > 0.1:
            share = round(100 * campaign.rejected_ratio)
            yield Trouble(
                "warn",
                f"Campaign {campaign.name} is paused; {share} % of its last answers are rejections.",
                "Read the rejections, correct the list, then resume.",
                ((f"/campaigns/{campaign.name}", campaign.name),),
                "CampaignPausedByItself",
            )


def _of_hooks(hooks: Sequence[StoredHook]) -> Iterator[Trouble]:
    for hook in hooks:
        link = ((f"/hooks/{hook.id}", hook.id),)
        match state_of(hook):
            case "disabled":
                yield Trouble(
                    "quiet" if hook.disabled == BY_HAND else "warn",
                    f"Hook {hook.id} is disabled: {hook.disabled}. {hook.waiting:,} events wait.",
                    "Fix the receiver, then enable the hook.",
                    link,
                    "HookDisabled",
                )
            case "failing":
                yield Trouble(
                    "warn",
                    f"The receiver of hook {hook.id} fails: {hook.words or 'no reason given'}. {hook.waiting:,} events wait.",
                    "Check the receiver; the runner tries events again automatically.",
                    link,
                    "HookLate",
                )
            case "unserved" if hook.waiting:
                yield Trouble(
                    "warn",
                    f"No runner serves hook {hook.id}: {hook.waiting:,} events wait.",
                    "Start `paceline hooks run`.",
                    link,
                    "HookLate",
                )
        if hook.dead:
            yield Trouble(
                "quiet",
                f"{counted(hook.dead, 'event')} of hook {hook.id} given up.",
                "Fix the receiver, then replay the events.",
                link,
                "HookEventsDead",
            )


def _grouped(
    accounts: Sequence[AccountReading], level: Level, verbs: tuple[str, str], todo: str, runbook: str
) -> Iterator[Trouble]:
    if not accounts:
        return
    words = verbs[0] if len(accounts) == 1 else verbs[1]
    yield Trouble(level, f"{_named(accounts)} {words}", todo, _links(accounts), runbook)


def _named(accounts: Sequence[AccountReading], one: str = "", many: str = "") -> str:
    if len(accounts) == 1:
        return f"Account {accounts[0].name} {one}".rstrip()
    return f"{len(accounts):,} accounts {many}".rstrip()


def _links(accounts: Iterable[AccountReading]) -> tuple[tuple[str, str], ...]:
    worst = sorted(accounts, key=lambda account: (-account.backlog, account.name))[:_NAMED]
    return tuple((f"/accounts/{account.name}", account.name) for account in worst)


def _messages(number: int) -> str:
    return f"{number:,} message is" if number == 1 else f"{number:,} messages are"
