"""Random commands of every kind that the API can cause, made of the random steps of the conformance tests."""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))
import conform
import random_steps
from agent import Answer
from mixed_servers import MixedServer

NODES = random_steps.NODES
WRITES = [
    maker for maker in random_steps.CATALOG
    if maker.__name__ in {"kv_put", "kv_lock", "kv_delete", "session_create", "session_destroy", "session_renew", "transaction", "register",
                          "deregister", "query_create", "query_update", "query_delete", "config_put", "config_delete", "autopilot"}
]  # fmt: skip


def coordinate_update(s: random_steps.Sequence) -> dict:
    """A coordinate of one of the nodes; the leader writes them in batches."""
    vector = [round(s.chance.uniform(-1, 1), 6) for _ in range(s.one([8, 8, 8, 7]))]
    coordinate = {"Vec": vector, "Error": s.one([1.5, 0.2]), "Adjustment": s.one([0, 1e-3]), "Height": 1e-5}
    return random_steps.put("/v1/coordinate/update", {"Node": s.one(NODES), "Segment": s.one(["", "", "", "alpha"]), "Coord": coordinate})


class RandomCommands:
    """Writes random requests to random servers, one after the other; what fails fails alike everywhere.

    `one_spelling`: names never differ in case alone. Rows keep the spelling with which they were written, snapshots do not: so it is with the
    real servers too, and theirs differ from each other once one has read a snapshot.
    """

    def __init__(self, seed: int, servers: list[MixedServer], one_spelling: bool = False) -> None:
        self.sequence, self.servers, self.one_spelling = random_steps.Sequence(seed), servers, one_spelling
        self.runner = conform.Runner(self)
        self.sent = self.refused = 0

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        """One request, as `conform.Runner` asks for it."""
        if self.one_spelling:
            path, body = path.replace("WEB", "web").replace("N1", "n1"), body and body.replace(b"WEB", b"web").replace(b"N1", b"n1")
        reply = self.sequence.chance.choice(self.servers).kept(method, path, body)
        content = reply.read()
        self.sent, self.refused = self.sent + 1, self.refused + (reply.status >= 400)
        return Answer(reply.status, reply.headers, content, 0.0)

    def begin(self) -> None:
        """What the others refer to."""
        for maker in random_steps.BEGINNINGS["catalog"]:
            for step in maker(self.sequence):
                self._perform(step)

    def run(self, count: int) -> None:
        """Sends so many."""
        makers: list[Callable[[random_steps.Sequence], dict]] = [*WRITES, coordinate_update]
        for _ in range(count):
            step = self.sequence.one(makers)(self.sequence)
            if step["method"] != "GET":
                damaged = self.sequence.rarely(0.1) and "coordinate" not in step["path"]  # see ends_a_real_server
                self._perform(self.sequence.damaged(step) if damaged else step)

    def _perform(self, step: dict) -> None:
        if not ends_a_real_server(step):
            self.runner.keep(step, self.runner.perform(step))
            self.runner.responses.clear()

    def names(self) -> tuple[list[str], list[str], list[str], list[str]]:
        """Keys, nodes, services and sessions that the commands speak of."""
        sessions = [value for name, value in self.runner.variables.items() if name in random_steps.SESSIONS and value]
        keys = [*random_steps.KEYS, "lock", "a/", "nothing"]
        return keys, NODES, random_steps.SERVICES, sessions


def ends_a_real_server(step: dict) -> bool:
    """Requests at which Consul 1.8.7 ends with a panic: its own defects, which would end the test too.

    A prepared query or a coordinate that is null, forwarded to a leader. A tree, a node or a service deleted in a transaction that wrote before:
    its tables are changed while they are walked, or close a channel twice at the next write, on every server.
    """
    if step["path"].startswith("/v1/query"):
        return step["method"] == "POST" and step["body"] == "null"
    if not step["path"].startswith("/v1/txn") or not isinstance(step["body"], str):
        return False
    return '"delete-tree"' in step["body"] or ('"Verb": "delete' in step["body"] and step["body"].count('"Verb"') > 1)
