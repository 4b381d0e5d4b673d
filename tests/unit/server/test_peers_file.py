"""`peers.json`: what it may say, what becomes of it, and that nothing the log holds is lost."""

import asyncio
import json
import random
from contextlib import suppress
from typing import Any

import pytest
from consensus_parts import Remembering, StillClock
from consensus_parts import consensus as made_consensus

from muster.model.errors import ConfigurationError
from muster.raft.entries import COMMAND, CONFIGURATION, NOOP, Entry
from muster.raft.membership import NONVOTER, VOTER, Configuration, Member
from muster.server.chunking import split
from muster.server.peers_file import NamedPeer, parse, recover, recover_if_asked
from muster.storage.raft_storage import RaftStorage, in_memory, open_on_disk
from muster.testing.disk import FaultyDisk, PowerCut

OLD = Configuration((Member("a", "10.0.0.1:8300"), Member("b", "10.0.0.2:8300"), Member("c", "10.0.0.3:8300")))
NEW = [NamedPeer("a", "10.0.0.1:8300"), NamedPeer("b", "10.0.0.9:8300", non_voter=True)]
DATA = "/data"


def filled(storage: RaftStorage) -> RaftStorage:
    """A log of term 3 with commands at 3, 4 and 5, the last two of which nobody acknowledged."""
    storage.vote.save(3, "10.0.0.1:8300")
    storage.log.append([Entry(1, 1, CONFIGURATION, OLD.encode()), Entry(2, 3, NOOP)])
    storage.log.append([Entry(n, 3, COMMAND, b"\x02" + text) for n, text in ((3, b"x"), (4, b"y"), (5, b"z"))])
    return storage


# ---- what the file may say


def test_each_server_stands_in_it_with_its_id() -> None:
    text = '[{"id": "a", "address": "10.0.0.1:8300", "non_voter": false}, {"id": "b", "address": "10.0.0.9:8300", "non_voter": true}]'
    assert parse(text.encode()) == NEW


def test_non_voter_may_be_left_out() -> None:
    assert parse(b'[{"id": "a", "address": "10.0.0.1:8300"}]') == [NamedPeer("a", "10.0.0.1:8300")]


def test_the_old_form_is_a_list_of_addresses() -> None:
    assert parse(b'["10.0.0.1:8300"]') == [NamedPeer("", "10.0.0.1:8300")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"{}", id="no list"),
        pytest.param(b"[1]", id="a list of numbers"),
        pytest.param(b'[{"id": "a"}]', id="without an address"),
        pytest.param(b'[{"address": "10.0.0.1:8300"}]', id="without an id"),
        pytest.param(b'[{"id": "a", "address": "x", "nonvoter": true}]', id="a misspelt field"),
        pytest.param(b'["10.0.0.1:8300", {"id": "a", "address": "x"}]', id="both forms"),
        pytest.param(b"\xff\xfe", id="no text"),
    ],
)
def test_anything_else_is_refused_with_an_example(text: bytes) -> None:
    with pytest.raises(ConfigurationError, match="right would be"):
        parse(text)


# ---- what becomes of it


def recovered(storage: RaftStorage, peers: list[NamedPeer]) -> tuple[Configuration, Remembering]:
    state = Remembering()
    return recover(storage, state, peers, StillClock()), state


def test_all_that_the_log_holds_becomes_a_snapshot_with_the_new_configuration() -> None:
    storage = filled(in_memory())
    configuration, _ = recovered(storage, NEW)
    assert configuration.members == (Member("a", "10.0.0.1:8300", VOTER), Member("b", "10.0.0.9:8300", NONVOTER))
    snapshot = storage.newest
    assert snapshot is not None
    assert (snapshot.index, snapshot.term, snapshot.configuration, snapshot.configuration_index) == (5, 3, configuration, 5)
    assert (storage.log.first_index, storage.log.last_index) == (6, 5)
    again = Remembering()
    with storage.snapshots.open(snapshot) as stream:
        again.restore(stream)
    assert again.applied == {3: "x", 4: "y", 5: "z"}
    assert storage.vote.term == 3


def test_what_an_earlier_snapshot_holds_is_kept() -> None:
    storage = filled(in_memory())
    recovered(storage, NEW)
    storage.log.append([Entry(6, 4, COMMAND, b"\x02w")])
    _, state = recovered(storage, [NamedPeer("a", "10.0.0.1:8300")])
    assert state.applied == {3: "x", 4: "y", 5: "z", 6: "w"}
    assert storage.newest is not None
    assert (storage.newest.index, storage.newest.term) == (6, 4)


def test_a_command_in_pieces_is_put_together() -> None:
    storage = filled(in_memory())
    pieces = split(b"\x02" + b"v" * 1_100_000, None, random.Random(1))
    storage.log.append([Entry(6 + n, 3, COMMAND, piece.data, piece.extensions) for n, piece in enumerate(pieces)])
    _, state = recovered(storage, NEW)
    assert state.applied[8] == "v" * 1_100_000


def test_the_old_form_takes_the_ids_from_the_log() -> None:
    configuration, _ = recovered(filled(in_memory()), parse(b'["10.0.0.2:8300", "10.0.0.1:8300"]'))
    assert configuration.members == (Member("b", "10.0.0.2:8300"), Member("a", "10.0.0.1:8300"))


@pytest.mark.parametrize(
    ("peers", "why"),
    [
        pytest.param([NamedPeer("", "10.0.0.7:8300")], "the log knows no server at 10.0.0.7:8300", id="an unknown address"),
        pytest.param([NamedPeer("a", "x", True)], "nobody votes", id="no voter"),
        pytest.param([], "nobody votes", id="nobody"),
        pytest.param([NamedPeer("a", "x"), NamedPeer("a", "y")], "stands in it twice", id="an id twice"),
        pytest.param([NamedPeer("a", "x"), NamedPeer("b", "x")], "stands in it twice", id="an address twice"),
    ],
)
def test_a_configuration_that_cannot_be_changes_nothing(peers: list[NamedPeer], why: str) -> None:
    storage = filled(in_memory())
    with pytest.raises(ConfigurationError, match=why):
        recovered(storage, peers)
    assert (storage.newest, storage.log.last_index) == (None, 5)


def test_a_server_without_data_cannot_be_recovered() -> None:
    with pytest.raises(ConfigurationError, match="no data to recover from"):
        recovered(in_memory(), NEW)


def test_the_server_starts_from_it_and_leads_alone() -> None:
    async def body() -> None:
        storage, state = filled(in_memory()), Remembering()
        recovered(storage, [NamedPeer("id-1", "127.0.0.1:8300")])
        one = made_consensus(storage, state, bootstrap=False)
        await one.start()
        assert one.is_leader()
        assert state.applied == {3: "x", 4: "y", 5: "z"}
        await one.stop()

    asyncio.run(body())


# ---- the file itself


def on_disk(disk: FaultyDisk, text: bytes | None) -> RaftStorage:
    storage = filled(open_on_disk(disk, DATA, random.Random(1)))
    if text is not None:
        file = disk.open(f"{DATA}/raft/peers.json", create=True)
        file.write(text, 0)
        file.sync()
        disk.sync_directory(f"{DATA}/raft")
    return storage


def follow(disk: FaultyDisk, storage: RaftStorage) -> bool:
    return recover_if_asked(disk, DATA, storage, Remembering(), StillClock())


def text_of(*peers: Any) -> bytes:
    return json.dumps(peers).encode()


def test_without_a_file_nothing_happens() -> None:
    disk = FaultyDisk()
    storage = on_disk(disk, None)
    assert not follow(disk, storage)
    assert storage.newest is None


@pytest.mark.parametrize("seed", range(8))
def test_the_file_is_removed_once_it_was_followed_also_if_the_power_goes(seed: int) -> None:
    disk = FaultyDisk()
    storage = on_disk(disk, text_of({"id": "a", "address": "10.0.0.1:8300", "non_voter": False}))
    assert follow(disk, storage)
    assert not follow(disk, storage)
    after = disk.crash(random.Random(seed))
    assert "peers.json" not in after.list(f"{DATA}/raft")
    found = open_on_disk(after, DATA, random.Random(1))
    assert found.newest is not None
    assert found.newest.configuration.voters() == ["a"]


def test_a_file_that_means_nothing_stops_the_start_and_stays() -> None:
    disk = FaultyDisk()
    storage = on_disk(disk, b"[")
    with pytest.raises(ConfigurationError, match=r"/data/raft/peers\.json: "):
        follow(disk, storage)
    assert "peers.json" in disk.list(f"{DATA}/raft")
    assert storage.newest is None


@pytest.mark.parametrize("cut_at", range(1, 40))
def test_the_power_may_go_at_any_moment_and_the_next_start_makes_it_whole(cut_at: int) -> None:
    disk = FaultyDisk()
    storage = on_disk(disk, text_of({"id": "a", "address": "10.0.0.1:8300"}))
    disk.cut_at = disk.operations + cut_at
    with suppress(PowerCut):
        follow(disk, storage)
    after = disk.crash(random.Random(cut_at))
    found = open_on_disk(after, DATA, random.Random(1))
    follow(after, found)
    assert found.newest is not None
    assert found.newest.configuration.voters() == ["a"]
    assert "peers.json" not in after.list(f"{DATA}/raft")
