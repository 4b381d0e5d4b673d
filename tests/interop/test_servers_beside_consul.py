"""Servers of both programs in one datacenter: they hold the same state after the same commands, lead in turn, and take each other's place."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from mixed_servers import MixedServer, differences, make_leader, questions, until, voters
from random_commands import RandomCommands

from muster.raft.entries import COMMAND
from muster.storage.consul_log import ConsulLog
from muster.storage.files import RealFiles

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.timeout(600)]

SEED = int(os.environ.get("MUSTER_MIXED_SEED") or 7)
COMMANDS = int(os.environ.get("MUSTER_MIXED_COMMANDS") or 1500)
"""How many random commands; 10,000 once are in docs/migrating.md."""


@contextmanager
def running(servers: list[MixedServer]) -> Iterator[None]:
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start()
        yield


def write_a_coordinate(leader: MixedServer) -> None:
    """A leader writes coordinates every few seconds: whether it did among the random commands is a matter of time."""
    place = {"Node": leader.name, "Segment": "written", "Coord": {"Vec": [0.0] * 8, "Error": 1.5, "Height": 1e-5}}
    assert leader.call("PUT", "/v1/coordinate/update", json.dumps(place))[0] == 200
    where = f"/v1/coordinate/node/{leader.name}"
    until(lambda: [row for row in leader.ask(where) if row["Segment"] == "written"], "the coordinate is written", servers=[leader])


def test_three_servers_of_both_programs_agree_whoever_leads(consul, tmp_path):
    addresses = [f"127.0.9.{number}" for number in (1, 2, 3)]
    calm = {"raft_multiplier": 3}  # so that an election by time-out and a handover are told apart
    first, second = (
        MixedServer(tmp_path / name, name, address, consul, retry_join=addresses, bootstrap_expect=2, performance=calm)
        for name, address in zip(("a", "b"), addresses)
    )
    ours = MixedServer(tmp_path / "c", "c", addresses[2], retry_join=addresses, performance=calm)
    servers = [first, second, ours]
    with running(servers):
        until(lambda: len(voters(ours)) == 3, "the third is promoted", servers=servers)
        commands = RandomCommands(SEED, servers)
        commands.begin()
        for leader in (first, ours, second):
            make_leader(leader, [one for one in servers if one is not leader])
            commands.run(COMMANDS // 3)
            assert differences(servers, questions(*commands.names())) == []
        write_a_coordinate(second)
        print(f"{commands.sent} commands, {commands.refused} of them refused, to index {ours.applied()}")
        make_leader(ours, [first, second])
        assert_handed_over(ours, first, second)
    log = ConsulLog(RealFiles().open(str(first.data / "raft/raft.db")), "raft.db")
    types = {entry.data[0] & 0x7F for entry in log.entries(1, 1 << 40) if entry.type == COMMAND}
    assert types >= {0, 1, 2, 3, 6, 7, 8, 9, 22}, "every type that the API causes; tombstones (5) need a quarter of an hour"


def assert_handed_over(leader: MixedServer, *others: MixedServer) -> None:
    """A server that is told to stop makes another one lead first, so that nobody waits for the heartbeat's time-out."""
    before = [len(one.log()) for one in others]
    leader.process.terminate()
    assert leader.process.wait(30) == 1
    successor = until(lambda: next((one for one in others if one.leads()), None), "another one leads", servers=others)
    since = successor.log()[before[others.index(successor)] :]
    assert "election won" in since
    assert "heartbeat timeout reached" not in since, "it was told to stand for election"
    assert successor.ask("/v1/kv/after", "PUT", "x") is True
