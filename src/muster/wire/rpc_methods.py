"""What every RPC method takes and answers: from typed records to the bytes of the peers, and back.

    encode_argument, decode_argument      the request record of a method, with its datacenter, token and options
    encode_reply, decode_reply            a `Reply`; what its value is, `server/endpoints` says method by method

Decoding measures the bytes first, so what only promises to be long costs nothing; it raises `DecodeError` and nothing else.
Encoding expects records of the right type. A method that is not in the table raises KeyError: ask `rpc.refusal` first.

Source: reference of the RPC wire, section 5; methods.json.
"""

from typing import Any

from muster.model.errors import DecodeError
from muster.wire.msgpack import pack
from muster.wire.replies import Reply
from muster.wire.rpc_arguments import ARGUMENTS
from muster.wire.rpc_errors import SUSPECT, wrong_type
from muster.wire.rpc_fast import PLAIN_ARGUMENTS, REPLIES, WRITES
from muster.wire.rpc_replies import SHAPES
from muster.wire.value_stream import read_value, split_values

METHODS = frozenset(ARGUMENTS)
"""The methods that have an argument and a reply here."""


def encode_argument(method: str, request: Any) -> bytes:
    """The body of a request."""
    return pack(ARGUMENTS[method].encode(request))


def decode_argument(method: str, body: bytes) -> Any:
    """The request record of a body. The error's text is the one that the peers answer with; they close the stream after it."""
    _measure(body)
    write = WRITES.get(method)
    if write is not None and (found := write(body)) is not None:
        return found
    suspect = SUSPECT.search(body)
    plain = None if suspect else PLAIN_ARGUMENTS.get(method)
    if plain is not None and (found := plain(body)) is not None:
        return found
    argument, value = ARGUMENTS[method], read_value(body)
    if suspect and (wrong := wrong_type(argument.record, value)):
        raise DecodeError(wrong)
    try:
        return argument.decode(value)
    except DecodeError as error:
        raise DecodeError(wrong_type(argument.record, value) or str(error)) from error


def encode_reply(method: str, reply: Reply, request: Any = None) -> bytes:
    """The body of a response. The `request` tells the kind of config entries, and whether a filter emptied a list."""
    return pack(SHAPES[method].encode(reply, request))


def decode_reply(method: str, body: bytes) -> Reply:
    """The reply of a body."""
    _measure(body)
    fast = REPLIES.get(method)
    if fast is not None and (reply := fast(body)) is not None:
        return reply
    return SHAPES[method].decode(read_value(body))


def _measure(body: bytes) -> None:
    values = split_values(body)
    if len(values) != 1:
        raise DecodeError(f"a body is one value, not {len(values)}")
