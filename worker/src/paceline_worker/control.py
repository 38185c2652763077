"""What Celery's own tools ask of a worker and tell it: ``celery -A paceline_worker inspect paceline``, ``control paceline_pause``.

A worker that takes no hints grants nothing and has no share of the fleet: see `Dispatcher`. So pausing is Celery's own
``cancel_consumer``, under a name that says what it does here.
"""

from collections.abc import Callable
from typing import Any, Final

from celery.worker.control import Panel, control_command, inspect_command
from celery.worker.control import add_consumer as celerys_add_consumer
from celery.worker.control import cancel_consumer as celerys_cancel_consumer

# Celery's commands that would do harm here, or say that they did what they cannot do with threads.
REFUSED: Final = {
    "rate_limit": (
        "refused: delayed hints miss their slots; set the account's limit, `paceline accounts change NAME --limit ...`"
    ),
    "time_limit": "refused: threads have no time limit; set PACELINE_HTTP_DEADLINE",
    "pool_grow": "refused: more threads do not send more; raise PACELINE_CAPACITY, or start more workers",
    "pool_shrink": "refused: fewer threads do not send less; lower PACELINE_CAPACITY, or use `paceline_pause`",
    "add_consumer": "refused: the worker would discard other applications' tasks and log their content",
}
# Celery's commands that nothing here needs: of gossip, of stamped tasks, and those that show what is in a worker's memory.
_GONE: Final = ("election", "hello", "revoke_by_stamped_headers", "memsample", "memdump", "objgraph")


def install() -> None:
    """Add our commands to those that Celery's tools know, in the worker as in the process that asks."""
    for name in _GONE:
        Panel.data.pop(name, None)
        Panel.meta.pop(name, None)
    inspect_command(name="paceline")(inspect)
    control_command(name="paceline_pause")(pause)
    control_command(name="paceline_resume")(resume)
    Panel.data |= {name: _refusal(words) for name, words in REFUSED.items()}
    Panel.data |= {"add_consumer": add_consumer, "cancel_consumer": cancel_consumer}


def takes_hints(app: Any) -> bool:
    """Whether this worker is to consume granted operations, be the broker there or not. Any thread may ask."""
    return app.deliver_queue in app.amqp.queues.consume_from


def step(app: Any, consumer: Any, *, forward: bool) -> None:
    """Step back while this worker cannot reach the provider, and forward again when it can. Any thread may call.

    Args:
        app: the Celery app.
        consumer: Celery's consumer.
        forward: whether the provider can be reached. A worker that a person has paused stays so.
    """
    if not forward and takes_hints(app):
        app.paceline_stepped_back = True
        consumer.call_soon(consumer.cancel_task_queue, app.deliver_queue)
    elif forward and getattr(app, "paceline_stepped_back", False):
        app.paceline_stepped_back = False
        consumer.call_soon(consumer.add_task_queue, app.deliver_queue)


def inspect(state: Any, **_: Any) -> dict[str, Any]:
    """How this worker stands: capacity, load, whether it grants, the fleet, the state server."""
    return state.app.paceline.figures()  # type: ignore[no-any-return]


def pause(state: Any, **_: Any) -> dict[str, str]:
    """Take no operations on and leave the fleet; what this worker has comes to its end."""
    state.app.paceline_stepped_back = False  # it stays paused when it reaches the provider again
    state.consumer.call_soon(state.consumer.cancel_task_queue, state.app.deliver_queue)
    return {"ok": "takes no operations on; `inspect paceline` shows the remaining load"}


def resume(state: Any, **_: Any) -> dict[str, str]:
    """Take operations on again."""
    if not state.app.paceline.reaches_provider:
        state.app.paceline_stepped_back = True
        return {"ok": "takes operations on as soon as it reaches the provider"}
    state.consumer.call_soon(state.consumer.add_task_queue, state.app.deliver_queue)
    return {"ok": "takes operations on"}


def add_consumer(state: Any, queue: str, **options: Any) -> dict[str, str]:
    """Celery's own, for our queues."""
    if queue not in (state.app.accept_queue, state.app.deliver_queue):
        return {"error": REFUSED["add_consumer"]}
    return celerys_add_consumer(state, queue, **options)  # type: ignore[no-any-return]


def cancel_consumer(state: Any, queue: str, **options: Any) -> dict[str, str]:
    """Celery's own; a person who takes granted operations away takes them away for good."""
    if queue == state.app.deliver_queue:
        state.app.paceline_stepped_back = False
    return celerys_cancel_consumer(state, queue, **options)  # type: ignore[no-any-return]


def _refusal(words: str) -> Callable[..., dict[str, str]]:
    def refuse(_: Any, **__: Any) -> dict[str, str]:
        return {"error": words}

    return refuse
