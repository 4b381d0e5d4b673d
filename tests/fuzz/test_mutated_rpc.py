"""Mutated frames, calls and Raft messages: only the documented exception, no hang, no memory kept."""

import gc
import json
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_mutated_bytes import mutated, resident

from muster.model.errors import DecodeError
from muster.wire.msgpack import pack
from muster.wire.raft import AppendEntries
from muster.wire.raft_decoder import RequestReader as RaftRequestReader
from muster.wire.raft_decoder import ResponseReader as RaftResponseReader
from muster.wire.raft_decoder import decode_request, decode_response
from muster.wire.raft_encoder import encode_request as encode_raft_request
from muster.wire.rpc import RequestReader, ResponseReader
from muster.wire.rpc_methods import METHODS, decode_argument, decode_reply, encode_argument, encode_reply
from muster.wire.snapshot_rpc import HeadReader, SnapshotRequest
from muster.wire.times import decode_timestamp
from muster.wire.yamux import Session
from muster.wire.yamux_events import DataReceived, StreamEnded, StreamOpened

VECTORS = Path(__file__).parents[1] / "vectors"
INPUTS = 300_000
SETTLED = 60_000
ROUND = 6_000
LONGEST = 2.0  # seconds that no single input may take
GROWTH = 5.0  # MB

PAIRS = [pair for pair in json.loads((VECTORS / "rpc" / "methods.json").read_text())["pairs"].values() if len(pair["response_hex"]) < 3000]
CALLS = [bytes.fromhex(pair["request_hex"]) for pair in PAIRS]
ANSWERS = [bytes.fromhex(pair["response_hex"]) for pair in PAIRS]
YAMUX = json.loads((VECTORS / "rpc" / "yamux-connection.json").read_text())
FRAMES = [
    b"".join(bytes.fromhex(frame["hex"]) for frame in YAMUX[side][:2]) + bytes.fromhex(YAMUX["ping_from_client"]["hex"])
    for side in ("client_to_server", "server_to_client")
]
MESSAGES = [
    message for message in json.loads((VECTORS / "raft" / "transport-messages.json").read_text())["messages"].values() if len(message["request_hex"]) < 3000
]  # fmt: skip
RAFT = [bytes.fromhex(message["request_hex"]) for message in MESSAGES]
RAFT_ANSWERS = [bytes.fromhex(message["response_hex"]) for message in MESSAGES]
APPEND = AppendEntries(term=1, leader="a")
SAVE = bytes.fromhex(json.loads((VECTORS / "rpc" / "snapshot-rpc.json").read_text())["save"]["request_hex"])[1:]


def frames(data: bytes) -> None:
    """A server that takes what is opened, echoes what it reads, and closes after its peer; whatever comes, it stays whole and small."""
    session = Session(False, 0.0)
    for half in (data[: len(data) // 2], data[len(data) // 2 :]):
        for event in session.receive_data(1.0, half):
            if isinstance(event, StreamOpened):
                session.accept(event.stream)
            elif isinstance(event, DataReceived) and event.stream in session.streams:
                session.consumed(event.stream, len(event.data))
                session.send(event.stream, event.data)
            elif isinstance(event, StreamEnded):
                session.close(event.stream)
        session.tick(100.0)
        assert sum(map(len, session.data_to_send())) < 20 * len(data) + 100
    raise_if(not session.alive)


def raise_if(refused: bool) -> None:
    if refused:
        raise DecodeError("refused")


def calls(data: bytes) -> None:
    """What a server does with a call: an argument that is read is also written again."""
    reader = RequestReader(1 << 16)
    for half in (data[: len(data) // 2], data[len(data) // 2 :]):
        for request in reader.feed(half):
            if request.method in METHODS:
                encode_argument(request.method, decode_argument(request.method, request.body))


def answers(data: bytes) -> None:
    for response in ResponseReader(1 << 16).feed(data):
        if response.method in METHODS and not response.error:
            encode_reply(response.method, decode_reply(response.method, response.body))


def raft(data: bytes) -> None:
    encode_raft_request(decode_request(data))


def raft_stream(data: bytes) -> None:
    reader = RaftRequestReader(1 << 16)
    for third in (data[: len(data) // 3], data[len(data) // 3 : -5], data[-5:]):
        reader.feed(third)


def raft_answers(data: bytes) -> None:
    reader = RaftResponseReader()
    reader.sent(APPEND)
    reader.feed(data)
    decode_response(APPEND, data)


DECODERS: list[tuple[str, Callable[[bytes], object], list[bytes], float]] = [
    # name, decoder, samples, share of the inputs
    ("yamux frames", frames, FRAMES, 0.2),
    ("calls", calls, CALLS, 0.25),
    ("answers", answers, ANSWERS, 0.2),
    ("raft requests", raft, RAFT, 0.15),
    ("raft connections", raft_stream, RAFT, 0.08),
    ("raft answers", raft_answers, RAFT_ANSWERS, 0.08),
    ("snapshot heads", lambda data: HeadReader(SnapshotRequest).feed(data), [SAVE], 0.02),
    ("times", decode_timestamp, [bytes.fromhex("010000000ee295f5b82705a63cffff")], 0.02),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mutated_rpc_raises_only_what_is_documented_and_leaves_no_memory():
    assert sum(share for *_, share in DECODERS) == pytest.approx(1)
    chance = random.Random(20240608)
    done, settled, slowest = 0, 0.0, 0.0
    refused: dict[str, int] = {}
    while done < INPUTS:
        for name, decode, samples, share in DECODERS:
            for _ in range(round(share * ROUND)):
                data = mutated(chance, chance.choice(samples))
                begin = time.perf_counter()
                try:
                    decode(data)
                except DecodeError:
                    refused[name] = refused.get(name, 0) + 1
                slowest = max(slowest, time.perf_counter() - begin)
        done += ROUND
        if done == SETTLED:
            gc.collect()
            settled = resident()
    gc.collect()
    assert set(refused) == {name for name, *_ in DECODERS}
    assert slowest < LONGEST
    assert resident() - settled < GROWTH


def promising(kind: bytes, count: int) -> bytes:
    return (kind + struct.pack(">I", count)) * 1000


CALL = pack({"Seq": 1, "ServiceMethod": "KVS.Get"})
BOMBS = [
    pytest.param(calls, CALL + promising(b"\xdd", 1 << 31), id="a call of huge lists within lists"),
    pytest.param(calls, CALL + promising(b"\xdd", 1000), id="a call of lists within lists"),
    pytest.param(calls, CALL + b"\xdb\x7f\xff\xff\xff", id="a call of a text that is all promise"),
    pytest.param(calls, promising(b"\xdf", 1 << 20), id="a header of maps within maps"),
    pytest.param(calls, pack({"Seq": 1, "ServiceMethod": "ConfigEntry.Apply"}) + pack(promising(b"\xdd", 1 << 20)), id="lists within bytes"),
    pytest.param(raft, b"\x00\x87\xa7Entries" + promising(b"\xdd", 1 << 20), id="entries within entries"),
    pytest.param(raft_stream, b"\x02\x81\xa4Size\xcf" + bytes(2) + b"\xff" * 6, id="a snapshot beyond any disk"),
    pytest.param(frames, b"\x00\x01\x00\x01\x00\x00\x00\x01" + bytes(4) + b"\x00\x00\x00\x00\x00\x00\x00\x01\x7f\xff\xff\xff", id="a huge frame"),
    pytest.param(frames, b"".join(struct.pack(">BBHII", 0, 1, 1, number, 0) for number in range(1, 9001, 2)), id="many streams"),
]  # fmt: skip


@pytest.mark.parametrize(("decode", "bomb"), BOMBS)
def test_bombs_are_taken_again_and_again_at_no_cost(decode, bomb):
    def thrown() -> None:
        begin = time.perf_counter()
        try:
            decode(bomb)
        except DecodeError:
            pass
        assert time.perf_counter() - begin < LONGEST

    for _ in range(3):
        thrown()
    gc.collect()
    before = resident()
    for _ in range(20):
        thrown()
    gc.collect()
    assert resident() - before < GROWTH
