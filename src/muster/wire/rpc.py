"""Calls between agents and servers: requests and responses that follow one another on a stream, each a header and a body.

Nothing says how long a value is; headers and bodies are measured by their own msgpack form. Bodies stay bytes here: `rpc_methods` knows
what they mean.

Source: reference of the RPC wire, sections 1 and 3.
"""

import enum
from typing import Final

from msgspec import Struct

from muster.model.errors import DecodeError
from muster.wire.msgpack import pack
from muster.wire.raw_maps import U64, as_fields, text, unpack_value, unsigned
from muster.wire.value_stream import ValueStream


class FirstByte(enum.IntEnum):
    """What a connection to a server's port is for, by its first byte."""

    RPC = 0
    RAFT = 1
    MUXADO = 2  # of old releases: closed
    TLS = 3  # another first byte follows inside
    YAMUX = 4
    SNAPSHOT = 5
    GOSSIP = 6  # closed
    TLS_INSECURE = 7  # no client certificate, and no first byte inside
    GRPC = 8  # of later releases: closed
    TLS_HELLO = 0x16  # TLS without a first byte, routed by its ALPN name


MAXIMUM_REQUEST: Final = 16 << 20
"""The most bytes of a request's body: the biggest transaction that the peers' settings commonly allow, with room."""
MAXIMUM_RESPONSE: Final = 1 << 28
"""The most bytes of a response's body: a list of all keys."""
MAXIMUM_HEADER: Final = 1 << 16

EMPTY: Final = b"\x80"
"""The body of an error, and of a reply that says nothing."""
NIL: Final = b"\xc0"

FORWARDED: Final = "rpc error making call: "
"""Stands before the error of another server, once for each server that passed it on."""


def unknown_service(name: str) -> str:
    """The error for a method of a service that does not exist. The stream is closed after it."""
    return f"rpc: can't find service {name}"


def unknown_method(name: str) -> str:
    """The error for a method that its service does not have. The stream is closed after it; agents fall back to an older method on it."""
    return f"rpc: can't find method {name}"


def ill_formed(name: str) -> str:
    """The error for a name without a dot. The stream is closed after it."""
    return f"rpc: service/method request ill-formed: {name}"


def refusal(name: str, methods: "frozenset[str] | set[str] | dict[str, object]") -> str | None:
    """The error for a name that is none of `methods` (as `Service.Method`), or None. The stream is closed after it."""
    if name in methods:
        return None
    service, dot, _ = name.rpartition(".")
    if not dot:
        return ill_formed(name)
    prefix = service + dot
    return unknown_method(name) if any(known.startswith(prefix) for known in methods) else unknown_service(name)


class Request(Struct, frozen=True, gc=False):
    """A call. `sequence` is echoed in the response; callers count across streams, so in one stream it starts anywhere and skips."""

    method: str
    sequence: int
    body: bytes


class Response(Struct, frozen=True, gc=False):
    """The answer to a call. With an `error` the body says nothing."""

    sequence: int
    method: str
    error: str
    body: bytes


def encode_request(method: str, sequence: int, body: bytes) -> bytes:
    """A request whose argument is encoded."""
    return pack({"Seq": sequence, "ServiceMethod": method}) + body


def encode_response(sequence: int, method: str, body: bytes) -> bytes:
    """The answer of a call that went well."""
    return pack({"Error": "", "Seq": sequence, "ServiceMethod": method}) + body


def encode_error(sequence: int, method: str, error: str) -> bytes:
    """The answer of a call that failed."""
    return pack({"Error": error, "Seq": sequence, "ServiceMethod": method}) + EMPTY


class _PairReader:
    """Header and body, header and body."""

    def __init__(self, limit: int) -> None:
        self._stream = ValueStream(limit)
        self._header: bytes | None = None

    def _next(self) -> tuple[bytes, bytes] | None:
        if self._header is None:
            self._header = self._stream.next()
            if self._header is None:
                return None
            if len(self._header) > MAXIMUM_HEADER:
                raise DecodeError(f"a header of {len(self._header)} bytes")
        body = self._stream.next()
        if body is None:
            return None
        header, self._header = self._header, None
        return header, body


class RequestReader(_PairReader):
    """The requests of a stream. Another one may come before the last is answered; the answers go out in order."""

    def __init__(self, limit: int = MAXIMUM_REQUEST) -> None:
        super().__init__(limit)

    def feed(self, data: bytes) -> list[Request]:
        """The requests that the bytes complete; `DecodeError` once they mean nothing, and the stream with them."""
        self._stream.feed(data)
        found: list[Request] = []
        while (pair := self._next()) is not None:
            fields = as_fields(unpack_value(pair[0]))
            found.append(Request(text(fields.get(b"ServiceMethod")), unsigned(fields.get(b"Seq"), U64), pair[1]))
        return found


class ResponseReader(_PairReader):
    """The responses of a stream, in the order of its requests."""

    def __init__(self, limit: int = MAXIMUM_RESPONSE) -> None:
        super().__init__(limit)

    def feed(self, data: bytes) -> list[Response]:
        """The responses that the bytes complete; `DecodeError` once they mean nothing, and the stream with them."""
        self._stream.feed(data)
        found: list[Response] = []
        while (pair := self._next()) is not None:
            fields = as_fields(unpack_value(pair[0]))
            sequence, method = unsigned(fields.get(b"Seq"), U64), text(fields.get(b"ServiceMethod"))
            found.append(Response(sequence, method, text(fields.get(b"Error")), pair[1]))
        return found
