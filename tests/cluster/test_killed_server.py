"""A server under load is killed again and again; nothing that it acknowledged may be missing afterwards."""

import http.client
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import AgentProcess

KILLS = 50
WRITERS = 8


class Writer(threading.Thread):
    """Writes numbered keys until told to stop; `acknowledged` holds those that were answered by `true`."""

    def __init__(self, port: int, number: int, first: int) -> None:
        super().__init__(daemon=True)
        self.port, self.number, self.next = port, number, first
        self.acknowledged: list[int] = []

    def run(self) -> None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            while True:
                value = self.next
                connection.request("PUT", f"/v1/kv/killed/{self.number}/{value}", str(value))
                answer = connection.getresponse()
                if answer.status == 200 and answer.read().strip() == b"true":
                    self.acknowledged.append(value)
                self.next += 1
        except (OSError, http.client.HTTPException):
            return  # the server was killed


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_missing_after_fifty_kills(tmp_path):
    agent = AgentProcess(
        tmp_path, "-server", "-bootstrap-expect=1", f"-data-dir={tmp_path / 'data'}", config={"performance": {"raft_multiplier": 1}}
    )
    acknowledged: set[str] = set()
    next_value = [0] * WRITERS
    for kill in range(KILLS):
        agent.start()
        agent.until_leader()
        kept = set(agent.json("/v1/kv/killed/?keys") or []) if acknowledged else set()
        assert acknowledged <= kept, f"after kill {kill}: {len(acknowledged - kept)} acknowledged keys are missing"
        writers = [Writer(agent.http, number, next_value[number]) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        enough = 5 + kill
        agent.until(lambda: sum(len(writer.acknowledged) for writer in writers) >= enough, what="writes under load")
        agent.kill()
        for writer in writers:
            writer.join(15)
            acknowledged |= {f"killed/{writer.number}/{value}" for value in writer.acknowledged}
            next_value[writer.number] = writer.next + 1
    agent.start()
    agent.until_leader()
    kept = set(agent.json("/v1/kv/killed/?keys"))
    agent.stop()
    assert acknowledged <= kept
    assert len(acknowledged) >= 50 * KILLS // 2
