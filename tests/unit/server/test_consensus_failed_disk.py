"""What a server still does when its disk has failed, and what it does while a write holds up the word that it no longer leads."""

import asyncio
import errno
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from consensus_parts import Remembering, consensus
from test_consensus import scenario

from muster.model.errors import NoLeader, Rejected
from muster.raft.effects import Send
from muster.raft.entries import COMMAND, Entry
from muster.raft.membership import Configuration, Member
from muster.raft.messages import AppendEntries, AppendEntriesResponse, RequestVote, RequestVoteResponse
from muster.raft.timing import Timing
from muster.server.consensus_start import found
from muster.storage.raft_storage import in_memory

THREE = Configuration((Member("id-1", "127.0.0.1:8300"), Member("id-2", "127.0.0.2:8300"), Member("id-3", "127.0.0.3:8300")))


class KeptPeers:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Send] = []

    def send(self, effect: Send) -> None:
        self.sent.append(effect)

    def send_snapshot(self, peer: str) -> None:
        raise AssertionError(peer)

    def receive_snapshot(self, effect: object) -> None:
        raise AssertionError(effect)

    def answers(self) -> list[bool]:
        """Of the requests with entries: whether each succeeded."""
        said = [effect.message for effect in self.sent if isinstance(effect.message, AppendEntriesResponse)]
        return [message.success for message in said if message.request.entries]


class FailingWorker:
    """Fails each job, or holds it until `go_on`."""

    def __init__(self) -> None:
        self.failing = self.holding = False
        self._held = []

    def submit(self, job, done) -> None:
        if self.failing:
            asyncio.get_running_loop().call_soon(done, None, OSError(errno.EIO, "Input/output error"))
        elif self.holding:
            self._held.append((job, done))
        else:
            done(job(), None)

    def go_on(self) -> None:
        self.holding = False
        for job, done in self._held:
            done(job(), None)

    async def close(self) -> None:
        pass


async def one_of_three(worker: FailingWorker, peers: KeptPeers):
    storage = in_memory()
    found(storage, THREE)
    state = Remembering()
    server = consensus(storage, state, worker=worker, peers=peers, bootstrap=False)
    await server.start()
    return server, state


def entry(index: int) -> Entry:
    return Entry(index, 2, COMMAND, b"\x02" + str(index).encode())


def from_leader(first: int, last: int, commit: int = 0) -> AppendEntries:
    entries = tuple(entry(index) for index in range(first, last + 1))
    return AppendEntries(2, "127.0.0.2:8300", first - 1, 1 if first == 2 else 2, commit, entries)


@scenario
async def test_a_follower_whose_disk_failed_acknowledges_nothing_that_it_is_sent_again():
    worker, peers = FailingWorker(), KeptPeers()
    server, state = await one_of_three(worker, peers)
    server.receive("id-2", from_leader(2, 2))
    assert peers.answers() == [True]
    worker.failing = True
    for _ in range(3):  # the second time its memory holds the entries
        server.receive("id-2", from_leader(3, 4, commit=4))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert server.failed is not None
    assert peers.answers() == [True]
    assert list(state.applied) in ([], [2])
    await server.stop()


@scenario
async def test_what_a_disk_that_failed_once_has_missed_is_neither_written_nor_applied_later():
    worker, peers = FailingWorker(), KeptPeers()
    server, state = await one_of_three(worker, peers)
    worker.failing = True
    server.receive("id-2", from_leader(2, 3, commit=3))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    worker.failing = False
    server.receive("id-2", from_leader(4, 5, commit=5))
    assert peers.answers() == []
    assert state.applied == {}
    await server.stop()


@scenario
async def test_a_verification_fails_although_the_word_that_another_leads_still_waits_for_the_disk():
    worker, peers = FailingWorker(), KeptPeers()
    storage = in_memory()
    found(storage, THREE)
    quick = Timing(0.001, 0.001, 60.0, 1.0)
    server = consensus(storage, Remembering(), worker=worker, peers=peers, bootstrap=False, timing=quick)
    await server.start()
    server._runner.carry_out(server._node.tick(server._clock.monotonic() + 1.0))
    ballot = next(effect.message for effect in peers.sent if isinstance(effect.message, RequestVote))
    server.receive("id-2", RequestVoteResponse(ballot.term, True))
    assert server.is_leader()
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    worker.holding = True
    doubtful = server.commit(2, b"\x02a", None)
    await asyncio.sleep(0)
    verified = server.verify_leader()
    server.receive("id-3", AppendEntries(ballot.term + 1, "127.0.0.3:8300"))
    await asyncio.sleep(0)
    worker.go_on()
    with pytest.raises(NoLeader):
        await verified
    assert doubtful.exception() is not None
    assert unhandled == []
    await server.stop()


@scenario
async def test_a_second_transfer_waits_for_the_word_that_the_first_failed_and_what_is_held_is_proposed_once():
    worker, peers = FailingWorker(), KeptPeers()
    storage = in_memory()
    found(storage, THREE)
    server = consensus(storage, Remembering(), worker=worker, peers=peers, bootstrap=False, timing=Timing(0.001, 0.001, 60.0, 1.0))
    await server.start()
    now = server._clock.monotonic()
    server._runner.carry_out(server._node.tick(now + 1.0))
    ballot = next(effect.message for effect in peers.sent if isinstance(effect.message, RequestVote))
    server.receive("id-2", RequestVoteResponse(ballot.term, True))
    worker.holding = True
    server.commit(2, b"\x02a", None)
    await asyncio.sleep(0)
    first = server.transfer_leadership("id-2")
    await asyncio.sleep(0)
    held = server.commit(2, b"\x02b", None)
    server._runner.carry_out(server._node.tick(now + 2.0))
    second = server.transfer_leadership("id-3")
    with pytest.raises(Rejected, match="already in progress"):
        await second
    last = server.last_index
    worker.go_on()
    with pytest.raises(Rejected, match="timeout"):
        await first
    assert server.last_index == last + 1
    assert not held.done()
    await server.stop()
