import asyncio
from collections.abc import Sequence

import pytest

from paceline_worker.delivery.batcher import Batcher


class Server:
    """Answers a batch when it is let, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.failures: list[Exception] = []
        self._turns = asyncio.Semaphore(0)

    def let(self, calls: int) -> None:
        for _ in range(calls):
            self._turns.release()

    async def __call__(self, questions: Sequence[int]) -> Sequence[str]:
        self.batches.append(list(questions))
        await self._turns.acquire()
        if self.failures:
            raise self.failures.pop(0)
        return [f"answer {question}" for question in questions]


async def turn() -> None:
    """Let everything that can run, run."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_one_question_is_asked_at_once() -> None:
    """An idle batcher waits for nobody."""

    async def scenario() -> None:
        server = Server()
        server.let(1)
        assert await Batcher(server, largest=10).ask(1) == "answer 1"
        assert server.batches == [[1]]

    asyncio.run(scenario())


def test_what_arrives_during_a_call_makes_the_next_batch() -> None:
    """Batches form without a timer: one call under way, and all who came meanwhile in the next."""

    async def scenario() -> None:
        server = Server()
        batcher = Batcher(server, largest=10)
        asked = [asyncio.create_task(batcher.ask(1))]
        await turn()
        asked += [asyncio.create_task(batcher.ask(number)) for number in (2, 3, 4)]
        await turn()
        assert server.batches == [[1]]
        server.let(2)
        assert await asyncio.gather(*asked) == ["answer 1", "answer 2", "answer 3", "answer 4"]
        assert server.batches == [[1], [2, 3, 4]]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("sizes", "questions", "largest"),
    [([1], 1, 3), ([3], 3, 3), ([3, 1], 4, 3), ([3, 3, 3, 1], 10, 3), ([1, 1, 1], 3, 1), ([10], 10, 100)],
)
def test_batches_have_a_largest_size_and_keep_the_order(sizes: list[int], questions: int, largest: int) -> None:
    """More questions than fit go in several batches, first come first served, each with its own answer."""

    async def scenario() -> None:
        server = Server()
        batcher = Batcher(server, largest=largest)
        asked = [asyncio.create_task(batcher.ask(number)) for number in range(questions)]
        server.let(questions)
        assert await asyncio.gather(*asked) == [f"answer {number}" for number in range(questions)]
        assert [len(batch) for batch in server.batches] == sizes
        assert [number for batch in server.batches for number in batch] == list(range(questions))

    asyncio.run(scenario())


def test_an_error_reaches_everyone_of_its_batch_and_nobody_else() -> None:
    """When a call fails all its questions raise the same error, and the next batch goes on."""

    async def scenario() -> None:
        server = Server()
        error = OSError("gone")
        server.failures = [error]
        batcher = Batcher(server, largest=2)
        asked = [asyncio.create_task(batcher.ask(number)) for number in range(3)]
        server.let(2)
        assert await asyncio.gather(*asked, return_exceptions=True) == [error, error, "answer 2"]

    asyncio.run(scenario())


def test_a_batcher_works_again_after_an_error() -> None:
    """An error ends nothing."""

    async def scenario() -> None:
        server = Server()
        server.failures = [ValueError("once")]
        batcher = Batcher(server, largest=2)
        server.let(2)
        with pytest.raises(ValueError, match="once"):
            await batcher.ask(1)
        assert await batcher.ask(2) == "answer 2"

    asyncio.run(scenario())


@pytest.mark.parametrize("fails", [False, True])
def test_one_who_stops_waiting_does_not_disturb_the_others(fails: bool) -> None:
    """A cancelled asker leaves; the others of the batch get their answers, or their error."""

    async def scenario() -> None:
        server = Server()
        error = OSError("gone")
        server.failures = [error] if fails else []
        batcher = Batcher(server, largest=10)
        asked = [asyncio.create_task(batcher.ask(number)) for number in range(3)]
        await turn()
        asked[1].cancel()
        await turn()
        server.let(1)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        expected = [error, error] if fails else ["answer 0", "answer 2"]
        assert expected == [answers[0], answers[2]]
        assert isinstance(answers[1], asyncio.CancelledError)

    asyncio.run(scenario())


@pytest.mark.parametrize("answers", [[], ["answer 0"]])
def test_too_few_answers_are_an_error_and_not_a_silence(answers: list[str]) -> None:
    """If a reply is too short, everyone of the batch is told, and the next batch goes on."""

    async def ask_all(questions: Sequence[int]) -> Sequence[str]:
        return answers if len(questions) == 2 else ["answer 2"]

    async def scenario() -> None:
        batcher = Batcher(ask_all, largest=2)
        asked = [asyncio.create_task(batcher.ask(number)) for number in range(3)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [ValueError, ValueError, str] == [type(one) for one in found]

    asyncio.run(scenario())


def test_a_question_that_was_given_up_is_not_asked() -> None:
    """A begin whose task was cancelled would mark the operation as being sent, and nobody sends it: unknown for nothing."""
    asked: list[str] = []
    release = asyncio.Event()

    async def ask_all(questions: Sequence[str]) -> list[str]:
        asked.extend(questions)
        await release.wait()
        return list(questions)

    async def scene() -> None:
        batcher: Batcher[str, str] = Batcher(ask_all, largest=10)
        first = asyncio.create_task(batcher.ask("first"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second = asyncio.create_task(batcher.ask("given up"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        release.set()
        await first
        await asyncio.sleep(0.01)

    asyncio.run(scene())
    assert ["first"] == asked


def test_questions_that_come_soon_after_another_call_share_one() -> None:
    """A busy system: the first is asked at once, those of the next moment together."""

    async def scenario() -> None:
        server = Server()
        server.let(9)
        batcher = Batcher(server, largest=10, gap_s=0.02)
        await batcher.ask(1)
        await asyncio.gather(*(batcher.ask(number) for number in (2, 3, 4)))
        assert server.batches == [[1], [2, 3, 4]]

    asyncio.run(scenario())


def test_a_full_batch_waits_for_no_gap() -> None:
    """Nothing would be gained by it."""

    async def scenario() -> None:
        server = Server()
        server.let(9)
        batcher = Batcher(server, largest=2, gap_s=60.0)
        await batcher.ask(1)
        await asyncio.gather(*(batcher.ask(number) for number in (2, 3)))
        assert server.batches == [[1], [2, 3]]

    asyncio.run(scenario())


def test_behind_a_long_way_several_calls_are_under_way() -> None:
    """A full batch does not wait for the answer of the one before it."""

    async def scenario() -> None:
        server = Server()
        batcher = Batcher(server, largest=2, most_calls=3, patience_s=60.0)
        asked = [asyncio.create_task(batcher.ask(number)) for number in range(7)]
        await turn()
        assert server.batches == [[0, 1], [2, 3], [4, 5]]
        server.let(9)
        assert await asyncio.gather(*asked) == [f"answer {number}" for number in range(7)]

    asyncio.run(scenario())


def test_patient_questions_wait_for_company() -> None:
    """Nothing is asked before their gap ends, or somebody comes who cannot wait: then they go along."""

    async def scenario() -> None:
        server = Server()
        server.let(9)
        batcher = Batcher(server, largest=10, patient_gap_s=60.0)
        await batcher.ask(1, patient=True)
        waiting = [asyncio.create_task(batcher.ask(number, patient=True)) for number in (2, 3)]
        await turn()
        assert server.batches == [[1]]
        await batcher.ask(4)
        assert await asyncio.gather(*waiting) == ["answer 2", "answer 3"]
        assert server.batches == [[1], [2, 3, 4]]

    asyncio.run(scenario())
