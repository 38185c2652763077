"""Real clusters of Redis or Valkey: primaries and replicas on free ports of this machine."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import redis
from redis.crc import key_slot

from paceline import names
from tests.support.servers import start_server
from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paceline_sandbox.embedded import EmbeddedServer, Source

SLOTS = 16384
PATIENCE = timedelta(seconds=60)
# A primary that says nothing for so long is given up.
NODE_TIMEOUT_MS = 2000
HOST = "127.0.0.1"
OUR_SLOT = key_slot(names.STATE_ROOT.encode())


class Node:
    """One server of a cluster.

    Attributes:
        server: its process.
        client: a client of this node alone.
        id: its name in the cluster.
    """

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.client = redis.Redis(port=server.port, decode_responses=True, socket_timeout=5)
        self.id = str(self.ask("MYID"))

    def ask(self, *words: str | int) -> Any:
        """The reply to a CLUSTER command."""
        return self.client.execute_command("CLUSTER", *words)  # type: ignore[no-untyped-call]

    def has_replicas(self) -> bool:
        """Whether it is a primary that others follow."""
        info = self.client.info("replication")
        return bool(info["role"] == "master" and info["connected_slaves"])

    def knows(self, number: int) -> bool:
        """Whether it knows so many nodes, and takes the cluster for complete."""
        info = dict(line.split(":", 1) for line in str(self.ask("INFO")).splitlines() if ":" in line)
        return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(number)


class Cluster:
    """Servers that form a cluster.

    Attributes:
        nodes: the primaries, then their replicas.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = list(nodes)

    @property
    def url(self) -> str:
        """The address for clients: a node that does not exist, and two that do."""
        ports = [1, *(node.server.port for node in self.nodes[-2:])]
        return "redis+cluster://" + ",".join(f"{HOST}:{port}" for port in ports)

    def running(self) -> list[Node]:
        """Nodes whose process is there."""
        return [node for node in self.nodes if node.server.running]

    def primary(self, root: str = names.STATE_ROOT) -> Node | None:
        """The node that answers for the keys of a root; None while there is none."""
        slot = key_slot(root.encode())
        for node in self.running():
            try:
                slots: Any = node.ask("SLOTS")
                if not node.knows(len(self.nodes)):
                    continue
            except redis.RedisError:
                continue
            for first, last, owner, *_ in slots:
                if first <= slot <= last and int(owner[1]) == node.server.port:
                    return node
        return None

    def kill_primary(self) -> Node:
        """End the primary of our keys as a crash would; returns it."""
        node = wait_until(self.primary, PATIENCE, "a primary")
        node.server.kill()
        return node

    def other(self, source: Node) -> Node:
        """Another primary, with replicas."""
        return next(node for node in self.running() if node is not source and node.has_replicas())

    def migrating(self) -> tuple[Node, Node]:
        """Begin to move the slot of our keys in the old way, key by key: the node that has it, and the one that gets it."""
        source = wait_until(self.primary, PATIENCE, "a primary")
        target = self.other(source)
        target.ask("SETSLOT", OUR_SLOT, "IMPORTING", source.id)
        source.ask("SETSLOT", OUR_SLOT, "MIGRATING", target.id)
        return source, target

    def move(self, source: Node, target: Node, most: int = 0) -> int:
        """Move keys of our slot; returns how many. `most` 0: all of them, and the slot."""
        moved = 0
        while keys := source.ask("GETKEYSINSLOT", OUR_SLOT, min(100, most - moved if most else 100)):
            source.client.migrate(HOST, target.server.port, keys, 0, 5000)
            moved += len(keys)
            if most and moved >= most:
                return moved
        for node in (target, source):
            node.ask("SETSLOT", OUR_SLOT, "NODE", target.id)
        return moved

    def heal(self, node: Node) -> None:
        """Start a killed node again, and wait until it follows the primary."""
        node.server.restart()
        wait_until(lambda: is_in_step(node), PATIENCE, "a replica in step with its primary")


def is_in_step(node: Node) -> bool:
    """Whether a replica follows its primary."""
    try:
        info = node.client.info("replication")
    except redis.RedisError:
        return False
    return bool(info["role"] == "slave" and info["master_link_status"] == "up")


@contextmanager
def start_cluster(
    kind: Source | None = None,
    *,
    primaries: int = 3,
    replicas: int = 4,
    extra: Sequence[str] = (),
    spread: bool = False,
) -> Iterator[Cluster]:
    """A cluster that is complete: every primary has its slots, every replica is in step.

    Args:
        kind: of the servers.
        primaries: nodes with slots.
        replicas: two for the primary of our keys, so that one remains after a failover; the others for the next primary.
        extra: further options of each server.
        spread: replicas in turn for each primary instead.
    """
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS), *extra)
    options += ("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0")
    options += ("--cluster-migration-barrier", "999")
    with ExitStack() as stack:
        nodes = [Node(stack.enter_context(start_server(kind, extra=options))) for _ in range(primaries + replicas)]
        for node in nodes:
            stack.enter_context(closing(node.client))
        _join(nodes, primaries, spread=spread)
        yield Cluster(nodes)


def _join(nodes: list[Node], primaries: int, *, spread: bool) -> None:
    for number, node in enumerate(nodes):
        node.ask("SET-CONFIG-EPOCH", number + 1)
        if number < primaries:
            first, last = number * SLOTS // primaries, (number + 1) * SLOTS // primaries
            node.ask("ADDSLOTS", *range(first, last))
    for node in nodes[1:]:
        nodes[0].ask("MEET", HOST, node.server.port)
    wait_until(lambda: all(node.knows(len(nodes)) for node in nodes), PATIENCE, "nodes that know each other")
    ours = OUR_SLOT * primaries // SLOTS
    for number, replica in enumerate(nodes[primaries:]):
        followed = number % primaries if spread else ours if number < 2 else (ours + 1) % primaries
        replica.ask("REPLICATE", nodes[followed].id)
    for replica in nodes[primaries:]:
        wait_until(lambda replica=replica: is_in_step(replica), PATIENCE, "a replica")  # type: ignore[misc]
