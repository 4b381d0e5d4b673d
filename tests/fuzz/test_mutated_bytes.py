"""A million mutated inputs through the decoders: only the documented exception, no hang, no memory kept."""

import gc
import json
import random
import time
from pathlib import Path

import pytest

from muster.http.querystring import BadEscape, parse_query
from muster.model.errors import DecodeError
from muster.wire import dns, hcl, msgpack
from muster.wire.commands import decode_command
from muster.wire.records import from_wire
from muster.wire.requests import ServiceRequest

VECTORS = Path(__file__).parents[1] / "vectors"
INPUTS = 1_000_000
SETTLED = 100_000
LONGEST = 2.0  # seconds that no single input may take
GROWTH = 5.0  # MB


def commands() -> list[bytes]:
    found = []
    for name in ("log-entries-cluster.json", "log-entries-acl-server.json"):
        found += [
            bytes.fromhex(entry["data_hex"])
            for entry in json.loads((VECTORS / "fsm" / name).read_text())["entries"]
            if entry.get("data_hex")
        ]
    return [data for data in found if len(data) < 600]


def questions() -> list[bytes]:
    question = dns.Question("v1.web.service.consul.", dns.TYPE_SRV)
    answer = dns.Record("n1.node.consul.", dns.TYPE_A, 1, "10.0.0.1")
    options = dns.ExtendedOptions(1232, (1, 24, "10.0.0.0"))
    return [
        dns.encode(dns.Message(id=1, flags=256, questions=[question], options=options)),
        dns.encode(dns.Message(id=1, flags=33024, questions=[question], answers=[answer, answer])),
    ]


HCL = [
    b'services { name = "web" port = 80 tags = ["a", "b"] check { http = "http://x" interval = "10s" } }',
    b"a = <<EOF\ntext\nEOF\nb = {c = 1.5}\n",
]
REQUEST = msgpack.pack({"ServiceName": "web", "ServiceTags": ["x"]})
DECODERS = [
    # name, decoder, samples, documented exceptions, share of the inputs
    ("log entries", decode_command, commands(), DecodeError, 0.35),
    ("dns messages", dns.decode, questions(), DecodeError, 0.3),
    ("requests", lambda data: from_wire(ServiceRequest, msgpack.unpack(data)), [REQUEST], DecodeError, 0.15),
    ("query strings", parse_query, [b"recurse&index=12&wait=10s&dc=dc1&token=%41%zz", b"a=b&c=d;e=%C3%A9"], BadEscape, 0.18),
    ("hcl", lambda data: hcl.decode_hcl(data.decode("utf-8", "surrogateescape")), HCL, DecodeError, 0.02),
]  # fmt: skip


def mutated(chance: random.Random, sample: bytes) -> bytes:
    """The sample with a few bytes changed, cut out, doubled or put in."""
    data = bytearray(sample)
    for _ in range(chance.randrange(1, 4)):
        way, position = chance.randrange(5), chance.randrange(len(data) + 1)
        if way == 0 and position < len(data):
            data[position] = chance.randrange(256)
        elif way == 1:
            del data[position : position + chance.randrange(1, 9)]
        elif way == 2:
            data[position:position] = chance.randbytes(chance.randrange(1, 9))
        elif way == 3:
            data[position:position] = data[: chance.randrange(33)]
        elif position < len(data):
            data[position] ^= 1 << chance.randrange(8)
    return bytes(data)


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mutated_inputs_raise_only_what_is_documented_and_leave_no_memory():
    chance = random.Random(20240601)
    done, settled, slowest = 0, 0.0, 0.0
    while done < INPUTS:
        for _name, decode, samples, documented, share in DECODERS:
            for _ in range(int(share * 10_000)):
                data = mutated(chance, chance.choice(samples))
                begin = time.perf_counter()
                try:
                    decode(data)
                except documented:
                    pass
                slowest = max(slowest, time.perf_counter() - begin)
            done += int(share * 10_000)
        if done <= SETTLED:
            gc.collect()
            settled = resident()
    gc.collect()
    assert slowest < LONGEST
    assert resident() - settled < GROWTH
