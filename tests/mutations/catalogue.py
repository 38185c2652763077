"""The mutations: a text of a source file, what stands in its place, and the tests of which one must fail."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_WORKER: Final = "worker/src/paceline_worker"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One thing that is taken away.

    Args:
        what: in words.
        path: the file, from the root of the repository.
        old: a text that stands in the file once.
        new: what stands there instead.
        tests: pytest's arguments; at least one of these tests fails with the mutation, and none without.
    """

    what: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, root: Path) -> str:
        """The text of the mutated file.

        Args:
            root: of a copy of the repository.

        Raises:
            ValueError: the old text is not there once, so the mutation is out of date.
        """
        text = (root / self.path).read_text()
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.path} has {self.old!r} {times} times, once is expected: correct this mutation")
        return text.replace(self.old, self.new)


MUTATIONS: Final = (
    Mutation(
        "fencing token, in begin",
        f"{_WORKER}/lua/begin.lua",
        "if not o or o.token ~= token or (o.state ~= 'g' and o.state ~= 's')",
        "if not o or (o.state ~= 'g' and o.state ~= 's')",
        ("tests/scripts/delivery/test_begin_settle.py", "tests/scripts/delivery/test_crash_steps.py"),
    ),
    Mutation(
        "fencing token, in settle",
        f"{_WORKER}/lua/settle.lua",
        "if not o or o.token ~= v.token then return false end",
        "if not o then return false end",
        (
            "tests/scripts/delivery/test_fencing.py",
            "tests/scripts/delivery/test_lookups.py",
            "tests/scripts/delivery/test_crash_steps.py",
        ),
    ),
    Mutation(
        "owner of a begun operation",
        f"{_WORKER}/lua/begin.lua",
        "if o.state == 's' and (not last or question < last) then return { s = 'no', why = 'stale' } end",
        "",
        ("tests/scripts/delivery/test_begin_settle.py", "tests/scripts/delivery/test_moving.py"),
    ),
    Mutation(
        "self-fence, its rule",
        f"{_WORKER}/state/sleep.py",
        "return lateness_s + slept_s <= tolerance_s and held_s + slept_s <= fence_s",
        "return lateness_s <= tolerance_s",
        ("tests/unit/state/test_sleep.py",),
    ),
    Mutation(
        "self-fence, at the write",
        f"{_WORKER}/provider/fenced.py",
        "        if sleepless_s() > self.until_s:\n",
        "        if False:\n",
        ("tests/unit/provider/test_after_the_call.py",),
    ),
    Mutation(
        "self-fence, by the lease at the write",
        f"{_WORKER}/delivery/courier.py",
        "answer = await self._provider.call(begun.request, key, until_s=until_s)",
        "answer = await self._provider.call(begun.request, key)",
        ("tests/scripts/delivery/test_lease_of_a_call.py",),
    ),
    Mutation(
        "self-fence, in the worker",
        f"{_WORKER}/delivery/courier.py",
        "            if may_leave(\n",
        "            if True or may_leave(\n",
        ("tests/system/pacing/test_clocks.py",),
    ),
    Mutation(
        "grace period before a look-up",
        f"{_WORKER}/lua/shared/moves.lua",
        "moves.set_aside(o, now + grace * (o.kind == 'group.create' and GROUP_PATIENCE or 1), words)",
        "moves.set_aside(o, now, words)",
        ("tests/scripts/delivery/test_lookups.py", "tests/scripts/delivery/test_crash_steps.py"),
    ),
    Mutation(
        "grace period between two look-ups",
        f"{_WORKER}/lua/settle.lua",
        "moves.set_aside(o, now + 2 * grace * (o.kind == 'group.create' and GROUP_PATIENCE or 1), v.words)",
        "moves.set_aside(o, now, v.words)",
        ("tests/scripts/delivery/test_lookups.py", "tests/scripts/delivery/test_crash_steps.py"),
    ),
    Mutation(
        "late work moves, in begin",
        f"{_WORKER}/lua/begin.lua",
        "  local later = bucket.move(a, slot,",
        "  if true then return nil end\n  local later = bucket.move(a, slot,",
        ("tests/scripts/delivery/test_moving.py",),
    ),
    Mutation(
        "late work moves, in the worker",
        f"{_WORKER}/delivery/courier.py",
        "            asked = await self._ask_until_final(hint, 0, questions=questions, begun=True)\n",
        '            return not_made("the worker is late", "missed"), 0\n'
        "            asked = await self._ask_until_final(hint, 0, questions=questions, begun=True)\n",
        ("tests/system/pacing/test_clocks.py",),
    ),
    Mutation(
        "admission control, its rule",
        f"{_WORKER}/dispatch/admission.py",
        "if samples >= _LEAST_SAMPLES and lateness_s > LATE_S:",
        "if False:",
        ("tests/unit/dispatch/test_admission.py",),
    ),
    Mutation(
        "admission control, in the worker",
        f"{_WORKER}/dispatch/membership.py",
        "intake=self._admission.intake,",
        "intake=self._admission.capacity,",
        ("tests/scripts/dispatch/test_dispatcher.py", "tests/system/pacing/test_overload.py"),
    ),
)
