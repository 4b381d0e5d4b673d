"""A server whose disk failed acknowledges nothing that it only remembers: neither entries nor votes, however often it is asked."""

import asyncio

import pytest
from consensus_parts import consensus

from muster.model.errors import StorageFailed
from muster.raft.effects import Send
from muster.raft.entries import COMMAND, Entry
from muster.raft.membership import Configuration, Member
from muster.raft.messages import AppendEntries, AppendEntriesResponse, Message, RequestVote, RequestVoteResponse
from muster.storage.disk_thread import Done, Job

FOUNDERS = Configuration(tuple(Member(f"id-{n}", f"127.0.0.{n}:8300") for n in (1, 2, 3)))
LEADER = "127.0.0.2:8300"
ENTRY = Entry(2, 2, COMMAND, b"\x02a")


class Peers:
    """Remembers what is sent."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, effect: Send) -> None:
        self.sent.append(effect.message)

    def send_snapshot(self, peer: str) -> None:
        raise NotImplementedError

    receive_snapshot = send_snapshot  # type: ignore[assignment]

    def acknowledged(self) -> list[Message]:
        """Entries that were said to be there, and votes that were given."""
        return [
            one
            for one in self.sent
            if (isinstance(one, AppendEntriesResponse) and one.success and one.request is not None and one.request.entries is not None)
            or (isinstance(one, RequestVoteResponse) and one.granted)
        ]


class FailingWorker:
    """A disk that fails from some moment on."""

    fails = False

    def submit(self, job: Job, done: Done) -> None:
        if self.fails:
            done(None, OSError(28, "No space left on device"))
        else:
            done(job(), None)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(AppendEntries(2, LEADER, 1, 1, 1, (ENTRY,)), id="entries"),
        pytest.param(RequestVote(2, LEADER, 1, 1), id="a vote"),
    ],
)
def test_what_could_not_be_written_is_never_acknowledged(request_: Message) -> None:
    async def body() -> None:
        peers, worker = Peers(), FailingWorker()
        server = consensus(bootstrap=False, peers=peers, worker=worker)
        await server.start()
        await server.bootstrap(FOUNDERS)
        worker.fails = True
        for _ in range(3):
            server.receive("id-2", request_)
        assert isinstance(server.failed, StorageFailed)
        assert peers.acknowledged() == []
        server.receive("id-2", AppendEntries(2, LEADER, 2, 2, 2, ()))  # it remembers entry 2, and must not say that it has it
        assert peers.acknowledged() == []
        await server.stop()

    asyncio.run(body())


@pytest.mark.parametrize("request_", [AppendEntries(2, LEADER, 1, 1, 1, (ENTRY,)), RequestVote(2, LEADER, 1, 1)])
def test_the_same_is_acknowledged_by_a_disk_that_works(request_: Message) -> None:
    async def body() -> None:
        peers = Peers()
        server = consensus(bootstrap=False, peers=peers, worker=FailingWorker())
        await server.start()
        await server.bootstrap(FOUNDERS)
        server.receive("id-2", request_)
        assert len(peers.acknowledged()) == 1
        await server.stop()

    asyncio.run(body())
