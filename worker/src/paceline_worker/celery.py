"""The Celery app: ``celery -A paceline_worker worker --pool threads``."""

import logging
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from celery import bootsteps, signals
from celery.concurrency.thread import TaskPool
from kombu.entity import Exchange, Queue
from redis.exceptions import RedisError

from paceline import names
from paceline.errors import PacelineError
from paceline.inbox.app import App
from paceline.inbox.publisher import Publisher
from paceline.settings import Settings
from paceline_worker import control, interpreter
from paceline_worker.broker import consumer
from paceline_worker.broker.refusals import Refusals
from paceline_worker.broker.threads import start_all
from paceline_worker.runtime import Runtime
from paceline_worker.state.values import LEASE_MARGIN_S, Hint
from paceline_worker.telemetry import logs

# A state server that is away is told by the dispatcher: Celery needs no traceback for each hint of that time.
_AWAY = (RedisError, OSError)
# When the operations of a hint were granted (server us): the way of hints is measured by it.
GRANTED_HEADER = "paceline_granted_us"
# The shard of the operations of a hint; absent: the first.
SHARD_HEADER = "paceline_shard"


class PacelineStep(bootsteps.StartStopStep):
    """Starts our runtime after the pool and before the consumer; stops it after the consumer and before the pool."""

    requires = ("celery.worker.components:Pool",)

    def __init__(
        self,
        parent: Any,
        *,
        paceline_allow_volatile: bool = False,
        paceline_assume_durable: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(parent, **options)
        self._accepts = {"allow_volatile": paceline_allow_volatile, "assume_durable": paceline_assume_durable}
        self._runtime: Runtime | None = None

    def start(self, parent: Any) -> None:
        """Refuse what cannot work, then start."""
        if not issubclass(parent.pool_cls, TaskPool):
            _refuse(
                "Paceline runs on Celery's thread pool only: start the worker with --pool threads, or without --pool"
            )
        if parent.autoscale:
            _refuse("autoscaling has no effect with --pool threads: run the worker without --autoscale")
        app = parent.app
        try:
            interpreter.tune()
            start_all(parent.pool.executor, parent.pool.limit)
            settings = Settings.from_environment()
            settings = settings.model_copy(update={name: True for name, is_given in self._accepts.items() if is_given})
            self._runtime = Runtime(
                settings,
                publisher(app),
                lambda: control.takes_hints(app),
                lambda forward: control.step(app, parent.consumer, forward=forward),
            )
            self._runtime.start()
        except PacelineError as error:
            _refuse(str(error))
        app.refusals.tell(self._runtime.metrics.message_refused)
        app.paceline = self._runtime

    def info(self, parent: Any) -> dict[str, Any]:  # noqa: ARG002 - Celery's signature
        """Our part of `inspect stats`, which Flower shows too."""
        return {"paceline": self._runtime.figures()} if self._runtime else {}

    def close(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
        """The worker begins to stop: grant nothing more."""
        if self._runtime:
            self._runtime.stop_granting()

    def stop(self, parent: Any) -> None:
        """Finish what is in flight, return the rest."""
        if self._runtime:
            self._runtime.stop()
            parent.exitcode = parent.exitcode or self._runtime.exit_code

    terminate = stop


def publisher(app: App) -> Any:
    """A function that hands a batch of hints to Celery: ids, tokens and slots, nothing else."""
    door = Publisher(app)

    def publish(hints: Sequence[Hint], granted_us: int) -> None:
        batch = [[hint.id, hint.token, hint.slot_us] for hint in hints]
        headers = {GRANTED_HEADER: granted_us}
        if shard := hints[0].shard:
            headers[SHARD_HEADER] = shard
        door.publish(names.DELIVER_TASK, [batch], queue=app.deliver_queue, headers=headers)

    return publish


def build_app(settings: Settings) -> App:
    """The worker's Celery app.

    Args:
        settings: broker and namespace are used; the rest is read when the worker starts.

    Returns:
        An app with our two tasks, two queues and one bootstep.
    """
    app = App("paceline", settings)
    app.check_broker()
    app.control_cls, app.refusals = consumer.CommandControl, Refusals()
    app.conf.update(
        task_queues=[
            _queue(name, app.conf.task_create_missing_queue_type) for name in (app.deliver_queue, app.accept_queue)
        ],
        task_default_queue=app.accept_queue,
        worker_pool="threads",
        worker_prefetch_multiplier=1,
        worker_consumer=consumer.HintConsumer,
        # Without remote control a busy worker whose Redis restarts never consumes again (measured).
        worker_enable_remote_control=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_soft_shutdown_timeout=settings.http_deadline_s + LEASE_MARGIN_S,
    )
    control.install()
    app.steps["worker"].add(PacelineStep)
    app.user_options["worker"].add(
        click.Option(
            ["--allow-volatile", "paceline_allow_volatile"],
            is_flag=True,
            help="Start although the state server may lose data (no AOF, or an evicting memory policy).",
        )
    )
    app.user_options["worker"].add(
        click.Option(
            ["--assume-durable", "paceline_assume_durable"],
            is_flag=True,
            help="Take the state server for durable where it cannot be asked (managed services).",
        )
    )

    @app.task(name=names.ACCEPT_TASK, bind=True, throws=_AWAY)
    def accept(self: Any, rids: list[str]) -> None:
        """Move inbox records into their lanes."""
        is_bulk = (self.request.headers or {}).get(names.BULK_HEADER)
        (self.app.paceline.bulk_inbox.take if is_bulk else self.app.paceline.accept)(rids)

    @app.task(name=names.DELIVER_TASK, bind=True, throws=_AWAY)
    def deliver(self: Any, batch: list[list[Any]]) -> None:
        """Send granted operations at their slots."""
        headers = self.request.headers or {}
        granted, shard = headers.get(GRANTED_HEADER), headers.get(SHARD_HEADER, 0)
        hints = [Hint(str(i), str(token), int(slot), shard) for i, token, slot in batch]
        self.app.paceline.deliver(hints, granted if isinstance(granted, int) else None)

    return app


@signals.celeryd_init.connect(weak=False)
def _keep_the_form(instance: Any, **_: Any) -> None:
    """With JSON a worker has no banner, and what warns before Celery sets up logging is a line like any other."""
    if Settings.from_environment().log_format == "json":
        instance.quiet = True
        logs.configure("json")
        logging.captureWarnings(capture=True)


@signals.setup_logging.connect(weak=False)
def _set_up_logging(loglevel: int = logging.INFO, logfile: str | None = None, **_: Any) -> None:
    logs.configure(Settings.from_environment().log_format, loglevel, logfile)


def _queue(name: str, queue_type: str) -> Queue:
    """With an exchange of its own: without one, Celery binds each queue to that of the default queue."""
    arguments = {} if queue_type == "classic" else {"x-queue-type": queue_type}
    return Queue(name, Exchange(name), routing_key=name, queue_arguments=arguments)  # type: ignore[no-untyped-call]


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(f"paceline: {sentence}\n")
    sys.stderr.flush()
    raise SystemExit(1)


def _app() -> App:
    if any(word in ("-b", "--broker") or word.startswith("--broker=") for word in sys.argv[1:]):
        _refuse(f"--broker has no effect here: set {names.ENV_BROKER_URL}, which workers and services share")
    try:
        return build_app(Settings.from_environment())
    except PacelineError as error:
        _refuse(str(error))


app = _app()
