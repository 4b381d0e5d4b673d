"""One log, two programs: a leader in the test sends random entries to a server of each, and both hold the same state and indexes."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import log_entries
from log_entries import LogEntries
from mixed_servers import MixedServer, differences, questions
from test_raft_with_consul import Ours, eventually

from muster.model.errors import MusterError
from muster.model.kv import KVEntry
from muster.wire.commands import KVSRequest, encode_command

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.timeout(600)]

SEED = int(os.environ.get("MUSTER_MIXED_SEED") or 1)
ENTRIES = int(os.environ.get("MUSTER_MIXED_COMMANDS") or 1000)
PIECE = 250  # entries between two comparisons: what differs is found before it is overwritten
IDENTITIES = ("22222222-1111-4111-8111-111111111111", "22222222-1111-4111-8111-222222222222")


def test_both_programs_make_the_same_state_of_one_log(consul, tmp_path):
    theirs, ours = (
        MixedServer(tmp_path / name, name, f"127.0.9.{number}", program, node_id=identity)
        for (name, number, program), identity in zip((("theirs", 21, consul), ("ours", 22, None)), IDENTITIES)
    )
    try:
        theirs.start()
        ours.start()
        asyncio.run(_compared([theirs, ours]))
    finally:
        theirs.stop()
        ours.stop()


async def _compared(servers: list[MixedServer]) -> None:
    leader = Ours()
    await leader.start()
    try:
        for server, identity in zip(servers, IDENTITIES):
            await eventually(server.raft)
            await leader.consensus.add_nonvoter(identity, f"{server.address}:{server.rpc}")
        entries = LogEntries(SEED)
        failed = 0
        for start in range(0, ENTRIES, PIECE):
            failed += await _sent(leader, [entries.next(leader.consensus.last_index + number) for number in range(1, PIECE + 1)])
            if start == 0:
                await _sent(leader, [KVSRequest(datacenter="dc1", op="set", entry=KVEntry(key="in/pieces", value=bytes(1_200_000)))])
            asked = questions(log_entries.KEYS, log_entries.NODES, log_entries.SERVICES, entries.sessions)
            found = await asyncio.to_thread(differences, servers, asked)
            assert not found, "\n".join([f"after entry {leader.consensus.last_index}", *found])
        print(f"{leader.consensus.last_index} entries, {failed} of them failed alike")
    finally:
        await leader.stop()


async def _sent(leader: Ours, commands: list) -> int:
    """Commits them in this order; returns how many failed."""
    made = [encode_command(command) for command in commands]
    futures = [leader.consensus.commit(data[0], data, command) for data, command in zip(made, commands)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(result, MusterError) or not isinstance(result, BaseException) for result in results), results
    return sum(isinstance(result, MusterError) for result in results)
