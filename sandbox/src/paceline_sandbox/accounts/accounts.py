"""One API key at the provider: its settings, its limits, and what it has done."""

from collections import Counter
from typing import Final

from paceline_sandbox.accounts.limits import Gate, Verdict, counter_for, parse_limit
from paceline_sandbox.answers import Answer, JsonObject, refusal
from paceline_sandbox.clock import SECOND_US, as_timestamp
from paceline_sandbox.console.tables import KeySettings
from paceline_sandbox.messages.history import stable_id
from paceline_sandbox.messages.operations import CallKind, is_repeatable

# What /info tells for a key without limits: the field is always there, so it needs a number.
_UNLIMITED_PER_MINUTE: Final = 1_000_000
_MINUTE_US: Final = 60 * SECOND_US
_TRIAL_US: Final = 30 * 86_400 * SECOND_US


class Account:
    """The state of one key.

    Args:
        key: the API key.
        settings: what it may do.
        known: whether the provider knows the key; an unknown one is only counted.
        created_us: microseconds since the epoch.
    """

    def __init__(self, key: str, settings: KeySettings, *, known: bool, created_us: int) -> None:
        self.key = key
        self.known = known
        self.arrivals = 0
        self.accepted = 0
        self.duplicates = 0
        self.repeats = 0
        self.operations: Counter[str] = Counter()
        self.checks_used = 0
        self.credits_used = 0
        self.violations = 0
        self.answers: Counter[str] = Counter()
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.first_accepted_us: int | None = None
        self.last_accepted_us: int | None = None
        self._created_us = created_us
        self._contents: set[int] = set()
        self._ordinals: Counter[CallKind] = Counter()
        self._operation_ordinals: Counter[str] = Counter()
        self._check_gates: dict[str, Gate] = {}
        self.settings = settings
        self._open_gate()

    def adopt(self, settings: KeySettings, *, known: bool) -> None:
        """Takes the settings of a new scenario; limits that stay the same keep their count.

        Args:
            settings: what the key may do from now on.
            known: whether the provider knows it from now on.
        """
        counting = ("limits", "algorithm", "window_phase_ms")
        before = self.settings
        same = all(getattr(settings, name) == getattr(before, name) for name in counting)
        self.settings = settings
        self.known = known
        self._ordinals.clear()
        self._operation_ordinals.clear()
        if settings.check_limits != before.check_limits:
            self._check_gates.clear()
        if not same:
            self._open_gate()

    def _open_gate(self) -> None:
        self.limits = self.settings.parsed_limits()
        self.broken = [0] * len(self.limits)
        algorithm, phase_us = self.settings.algorithm, self.settings.window_phase_ms * 1000
        self._gate = Gate([counter_for(limit, algorithm, phase_us) for limit in self.limits])

    def arrive(self, kind: CallKind, at_us: int) -> tuple[int, int]:
        """Counts a request.

        Args:
            kind: what the request is about.
            at_us: when it arrived, in microseconds since the epoch.

        Returns:
            Its ordinal among the key's requests of this kind, and among all of them, since the scenario began.
        """
        self.arrivals += 1
        self.first_us = at_us if self.first_us is None else self.first_us
        self.last_us = at_us
        self._ordinals[kind] += 1
        return self._ordinals[kind], self._ordinals.total()

    def count_operation(self, name: str) -> int:
        """Counts a request whose operation is known and returns its ordinal among the key's requests of that operation.

        Args:
            name: of the operation, as the log shows it.
        """
        self._operation_ordinals[name] += 1
        return self._operation_ordinals[name]

    def judge(self, at_us: int, *, enforce: bool, count_refused: bool) -> Verdict:
        """Holds a request against the key's limits and counts a violation.

        Args:
            at_us: when it arrived, in microseconds since the epoch.
            enforce: whether requests over the limit are refused.
            count_refused: whether refused requests count.
        """
        verdict = self._gate.arrive(at_us, enforce=enforce, count_refused=count_refused)
        if not verdict.admitted:
            self.violations += 1
            for position in verdict.broken:
                self.broken[position] += 1
        return verdict

    def judge_check(self, number: str, at_us: int, *, enforce: bool, count_refused: bool) -> Verdict:
        """Holds a number check against the key's own limits for these, which count per connected number.

        Args:
            number: the connected number that asks.
            at_us: when it arrived, in microseconds since the epoch.
            enforce: whether requests over the limit are refused.
            count_refused: whether refused requests count.
        """
        gate = self._check_gates.get(number)
        if gate is None:
            limits = [parse_limit(text) for text in self.settings.check_limits]
            gate = Gate([counter_for(limit, self.settings.algorithm, 0) for limit in limits])
            self._check_gates[number] = gate
        verdict = gate.arrive(at_us, enforce=enforce, count_refused=count_refused)
        self.violations += not verdict.admitted
        return verdict

    def standing(self, now_us: int) -> Answer | None:
        """The refusal an account in bad standing meets, or None.

        Args:
            now_us: the present, in microseconds since the epoch.
        """
        settings = self.settings
        if settings.blocked:
            return refusal(403, "This account is blocked")
        if settings.expires_at is not None and now_us >= settings.expires_at.timestamp() * SECOND_US:
            return refusal(402, "Your trial or plan has expired")
        if self.credits_used >= settings.credits:
            return refusal(402, "Your API credits are used up")
        return None

    def accept(self, operation: str, content: int, at_us: int) -> None:
        """Counts an operation that took effect.

        Args:
            operation: its name, as the log shows it.
            content: a number that equal operations share.
            at_us: when its request arrived, in microseconds since the epoch.
        """
        self.accepted += 1
        self.operations[operation] += 1
        self.first_accepted_us = at_us if self.first_accepted_us is None else min(self.first_accepted_us, at_us)
        self.last_accepted_us = at_us if self.last_accepted_us is None else max(self.last_accepted_us, at_us)
        # The hash of the content and not the content: a million messages must fit, and 64 bits do not collide.
        if content in self._contents:
            if is_repeatable(operation):
                self.repeats += 1
            else:
                self.duplicates += 1
        self._contents.add(content)

    def info(self) -> JsonObject:
        """The body of ``GET /info`` (docs/provider.md, 1.7)."""
        settings = self.settings
        uuid = stable_id("ACC", self.key)
        expires_us = self._created_us + _TRIAL_US
        if settings.expires_at is not None:
            expires_us = int(settings.expires_at.timestamp() * SECOND_US)
        return {
            "success": True,
            "account": {
                "name": f"{settings.name} ({uuid})",
                "uuid": uuid,
                "on_trial": settings.on_trial,
                "blocked": settings.blocked,
                "created_at": as_timestamp(self._created_us),
                "expires_at": as_timestamp(expires_us),
            },
            "limits": {"requests_per_minute": self._per_minute()},
            "usage": {
                "api_request_count": self.credits_used,
                "max_api_request_count": settings.credits,
                "number_check_count": self.checks_used,
                "max_number_check_count": settings.number_checks,
            },
        }

    def _per_minute(self) -> int:
        """What the tightest limit over a minute or less comes to in a minute; any limit if all are longer."""
        if self.settings.reported_per_minute is not None:
            return self.settings.reported_per_minute
        short = [limit for limit in self.limits if limit.window_us <= _MINUTE_US] or self.limits
        return min(
            (max(1, limit.count * _MINUTE_US // limit.window_us) for limit in short), default=_UNLIMITED_PER_MINUTE
        )
