"""The two ways to write a record give the same bytes, and the two ways to read a registration the same record."""

import typing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.model.catalog import HealthCheck, NodeService
from muster.model.kv import KVEntry
from muster.wire import commands, msgpack
from muster.wire.commands import (
    AutopilotRequest,
    DeregisterRequest,
    KVSRequest,
    PreparedQueryRequest,
    RegisterRequest,
    SessionRequest,
    TombstoneRequest,
    TxnRequest,
)
from muster.wire.packing import packer, raw
from muster.wire.records import encoder, from_wire

COMMANDS = [
    RegisterRequest,
    DeregisterRequest,
    KVSRequest,
    SessionRequest,
    TombstoneRequest,
    PreparedQueryRequest,
    TxnRequest,
    AutopilotRequest,
]
TEXTS = st.one_of(
    st.sampled_from(["", "a", "dc1", "set", "x" * 31, "x" * 32, "x" * 70, "é" * 20]),
    st.binary(max_size=6).map(lambda data: data.decode("utf-8", "surrogateescape")),
)
ANYTHING = st.none() | st.booleans() | TEXTS | st.dictionaries(TEXTS, st.integers(0, 1 << 32), max_size=2)


def values(annotation: typing.Any) -> st.SearchStrategy[typing.Any]:
    """What a field of this type may hold."""
    arguments = typing.get_args(annotation)
    if type(None) in arguments:
        return st.none() | values(next(argument for argument in arguments if argument is not type(None)))
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return records(annotation)
    match typing.get_origin(annotation):
        case typing_list if typing_list is list:
            return st.lists(values(arguments[0]), max_size=3)
        case mapping if mapping is dict:
            return st.dictionaries(TEXTS, values(arguments[1]), max_size=2)
    scalars: dict[typing.Any, st.SearchStrategy[typing.Any]] = {
        str: TEXTS,
        bytes: st.binary(max_size=40),
        int: st.sampled_from([0, 1, 127, 128, 255, 256, 65536, 1 << 32, (1 << 63) - 1, -1, -33, -200]),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
        typing.Any: ANYTHING,
    }
    return scalars[annotation]


def records(record_type: type[msgspec.Struct]) -> st.SearchStrategy[typing.Any]:
    """Records with some fields given and the others as they are made."""
    fields = {name: values(annotation) for name, annotation in typing.get_type_hints(record_type).items()}
    return st.fixed_dictionaries({}, optional=fields).map(lambda given: record_type(**given))


@pytest.mark.slow
@pytest.mark.parametrize("record_type", [pytest.param(one, id=one.__name__) for one in COMMANDS])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_records_are_packed_as_their_maps_are(record_type: type[msgspec.Struct], data: st.DataObject) -> None:
    record = data.draw(records(record_type))
    assert packer(record_type)(record) == msgpack.pack(encoder(record_type)(record))


@pytest.mark.parametrize("length", [0, 1, 31, 32, 255, 256, 65535, 65536])
def test_texts_and_bytes_stand_behind_their_length(length: int) -> None:
    assert raw("x" * length) == raw(b"x" * length) == msgpack.pack("x" * length)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65535, 65536])
def test_long_lists_of_records_have_the_right_head(count: int) -> None:
    command = TxnRequest(ops=[commands.TxnOp()] * count)
    assert packer(TxnRequest)(command) == msgpack.pack(encoder(TxnRequest)(command))


def test_a_text_that_comes_often_is_not_remembered_for_ever() -> None:
    for number in range(1000):
        command = KVSRequest(datacenter=f"dc{number}", entry=KVEntry(key="k"), op="set")
        assert packer(KVSRequest)(command) == msgpack.pack(encoder(KVSRequest)(command))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(command=records(RegisterRequest))
def test_a_registration_is_read_alike_by_both_decoders(command: RegisterRequest) -> None:
    data = commands.encode_command(command)
    fast = commands._decode_fast(0, data)
    slow = from_wire(RegisterRequest, msgpack.unpack(data[1:]))
    assert fast is None or fast == slow
    assert commands.decode_command(data) == slow


def test_an_ordinary_registration_takes_the_fast_decoder() -> None:
    service = NodeService(id="web-1", service="web", tags=["v1"], meta={"zone": "a"}, port=8080)
    command = RegisterRequest(node="n", address="10.0.0.1", service=service, check=HealthCheck(node="n", check_id="c", status="passing"))
    assert commands._decode_fast(0, commands.encode_command(command)) == command
