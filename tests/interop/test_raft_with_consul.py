"""Raft beside a real Consul server: it follows a leader of ours, is given its snapshot, votes, takes over and leads ours."""

import asyncio
import json
import random
import subprocess
import urllib.request
from pathlib import Path

import pytest

from muster.model.kv import KVEntry
from muster.program.clock import SystemClock
from muster.raft.membership import Configuration, Member
from muster.raft.timing import Timing
from muster.server.consensus import Consensus
from muster.server.raft_snapshots import SnapshotPolicy
from muster.server.replicated_state import ReplicatedState
from muster.state.store import Store
from muster.storage.raft_storage import in_memory
from muster.transport.listener import RpcListener
from muster.transport.raft import RaftTransport
from muster.wire.commands import KVSRequest, encode_command

pytestmark = [pytest.mark.slow, pytest.mark.peer]

OURS, THEIRS = "11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"
HERE, THERE = "127.0.77.1", "127.0.77.2"


class Ours:
    """A server of ours: consensus over the real state, without a pool."""

    async def start(self) -> None:
        clock = SystemClock()
        self.listener = RpcListener(clock)
        await self.listener.listen(HERE, 0, {0x01: lambda: self.transport.connection()})
        self.address = f"{HERE}:{self.listener.ports[0]}"
        self.addresses = {OURS: self.address}
        self.transport = RaftTransport(self.address, clock, address_of=self._address, identity_of=self._identity)
        self.state = ReplicatedState(Store())
        self.consensus = Consensus(
            identity=OURS,
            address=self.address,
            storage=in_memory(),
            state=self.state,
            clock=clock,
            chance=random.Random(1),
            timing=Timing.scaled(1),
            policy=SnapshotPolicy(trailing=5),
            bootstrap=False,
            peers=self.transport,
        )
        self.transport.attach(self.consensus)
        await self.consensus.start()
        await self.consensus.bootstrap(Configuration((Member(OURS, self.address),)))

    async def stop(self) -> None:
        self.transport.close()
        self.listener.close()
        await self.consensus.stop()

    async def put(self, key: str) -> None:
        command = KVSRequest(datacenter="dc1", op="set", entry=KVEntry(key=key, value=b"v"))
        await self.consensus.commit(encode_command(command)[0], encode_command(command), command)

    def _address(self, identity: str) -> str:
        member = self.consensus.configuration.member(identity)
        return member.address if member else ""

    def _identity(self, address: str) -> str:
        return next((member.identity for member in self.consensus.configuration.members if member.address == address), "")


def start_consul(consul: Path, folder: Path) -> "tuple[subprocess.Popen[bytes], dict[str, int]]":
    """A server that waits for somebody to add it."""
    ports = {"server": 24310, "http": 24311, "serf_lan": 24312, "serf_wan": -1, "dns": -1, "grpc": -1}
    (folder / "c.json").write_text(json.dumps({"ports": ports, "performance": {"raft_multiplier": 1}}))
    arguments = [str(consul), "agent", "-server", f"-node-id={THEIRS}", "-node=real", f"-bind={THERE}", f"-client={THERE}"]
    arguments += [f"-data-dir={folder / 'data'}", f"-config-file={folder / 'c.json'}"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT), ports


def read(url: str) -> object:
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.loads(response.read())


def write(url: str) -> object:
    with urllib.request.urlopen(urllib.request.Request(url, data=b"v", method="PUT"), timeout=10) as response:
        return json.loads(response.read())


async def eventually(condition, seconds: float = 30.0):
    """The first true result; asked again every tenth of a second, since the real server tells nobody of its changes."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                found = await asyncio.to_thread(condition)
            except OSError:
                found = None
            if found:
                return found
            await asyncio.sleep(0.1)


def test_a_real_server_follows_votes_and_then_leads_ours(consul, tmp_path):
    process, ports = start_consul(consul, tmp_path)
    try:
        asyncio.run(_together(ports))
    finally:
        process.terminate()
        process.wait(20)


async def _together(ports: dict[str, int]) -> None:
    ours = Ours()
    await ours.start()
    theirs, http = f"{THERE}:{ports['server']}", f"http://{THERE}:{ports['http']}"

    def keys() -> list[str]:
        found = read(f"{http}/v1/kv/?keys&stale")
        assert isinstance(found, list)
        return found

    try:
        await asyncio.gather(*[ours.put(f"before/{n:04}") for n in range(300)])
        await ours.consensus.snapshot_now()
        await eventually(lambda: read(f"{http}/v1/agent/self"))
        await ours.consensus.add_nonvoter(THEIRS, theirs)
        await eventually(lambda: len(keys()) == 300)  # by a snapshot: the log has but five entries left
        await asyncio.gather(*[ours.put(f"pipelined/{n:04}") for n in range(2000)])
        await eventually(lambda: len(keys()) == 2300)
        await ours.consensus.add_voter(THEIRS, theirs)
        await ours.put("by a quorum of both")
        await ours.consensus.verify_leader()
        await ours.consensus.transfer_leadership(THEIRS)
        await eventually(lambda: ours.consensus.leader_address() == theirs)
        assert not ours.consensus.is_leader()
        await eventually(lambda: write(f"{http}/v1/kv/theirs"))
        await eventually(lambda: ours.state.store.kv.get("theirs")[1])
        age = ours.consensus.last_contact()
        assert age is not None
        assert age < 1.0
    finally:
        await ours.stop()
