"""The two checks that speak HTTP/2: a ping, and the health service of gRPC (grpc.health.v1)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from muster.agent.checks.network import DialFailed, client_tls, connect
from muster.agent.checks.result import Result, critical, passing

DEFAULT_TIMEOUT = 10.0  # seconds
READ_SIZE = 16384  # bytes
LARGEST_ANSWER = 65536  # bytes; a health answer has two
SERVING = 1  # HealthCheckResponse.ServingStatus
CODES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)


class _Closed(Exception):
    """The peer ended the connection before it had answered."""


@contextlib.asynccontextmanager
async def _connection(address: str, limit: float, tls: bool, skip_verify: bool) -> AsyncIterator[tuple[Any, Any, Any]]:
    """An HTTP/2 connection that has sent its preface: h2's state machine, reader and writer."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection

    context = client_tls(skip_verify, ["h2"]) if tls else None
    reader, writer = await connect(address, limit, context)
    try:
        state = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        state.initiate_connection()
        writer.write(state.data_to_send())
        yield state, reader, writer
    finally:
        writer.transport.abort()


async def _events(state: Any, reader: Any, writer: Any) -> AsyncIterator[Any]:
    """What the peer says, answering its housekeeping as it comes; `_Closed` at the end."""
    from h2.events import ConnectionTerminated
    from h2.exceptions import ProtocolError

    while data := await reader.read(READ_SIZE):
        try:
            events = state.receive_data(data)
        except ProtocolError as error:
            raise _Closed("connection closed") from error
        writer.write(state.data_to_send())
        for event in events:
            if isinstance(event, ConnectionTerminated):
                raise _Closed("connection closed")
            yield event
    raise _Closed("connection closed")


@dataclass(slots=True, frozen=True)
class Http2PingCheck:
    """Passing if the peer answers an HTTP/2 PING."""

    address: str
    tls: bool = True
    tls_skip_verify: bool = False
    timeout: float = DEFAULT_TIMEOUT

    async def run(self) -> Result:
        from h2.events import PingAckReceived

        try:
            async with (
                asyncio.timeout(self.timeout),
                _connection(self.address, self.timeout, self.tls, self.tls_skip_verify) as (state, reader, writer),
            ):
                state.ping(b"muster!!")
                writer.write(state.data_to_send())
                async for event in _events(state, reader, writer):
                    if isinstance(event, PingAckReceived):
                        break
        except DialFailed as error:
            return critical(f"Failed to dial to {self.address}: {error}")
        except (TimeoutError, OSError, _Closed) as error:
            return critical(f"HTTP2 ping failed: {error or 'context deadline exceeded'}")
        return passing("HTTP2 ping was successful")


@dataclass(slots=True, frozen=True)
class GrpcCheck:
    """Passing if `address` (`host:port`, or `host:port/service`) reports SERVING."""

    address: str
    tls: bool = False
    tls_skip_verify: bool = False
    timeout: float = DEFAULT_TIMEOUT

    async def run(self) -> Result:
        target, _, service = self.address.partition("/")
        try:
            async with (
                asyncio.timeout(self.timeout),
                _connection(target, self.timeout, self.tls, self.tls_skip_verify) as (state, reader, writer),
            ):
                status = await _ask(state, reader, writer, target, service, "https" if self.tls else "http")
        except DialFailed as error:
            return critical(_rpc_error("Unavailable", f'connection error: desc = "transport: Error while dialing {error}"'))
        except TimeoutError:
            return critical(_rpc_error("DeadlineExceeded", "context deadline exceeded"))
        except (OSError, _Closed) as error:
            return critical(_rpc_error("Unavailable", str(error) or "connection closed"))
        except _Refused as error:
            return critical(str(error))
        if status != SERVING:
            return critical("gRPC application didn't report service healthy")
        return passing(f"gRPC check {self.address}: success")


class _Refused(Exception):
    """The peer answered with a status other than OK."""


def _rpc_error(code: str, description: str) -> str:
    return f"rpc error: code = {code} desc = {description}"


async def _ask(state: Any, reader: Any, writer: Any, authority: str, service: str, scheme: str) -> int:
    """The serving status that the peer reports."""
    headers = [
        (":method", "POST"), (":scheme", scheme), (":path", "/grpc.health.v1.Health/Check"), (":authority", authority),
        ("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "muster-health-check"),
    ]  # fmt: skip
    state.send_headers(1, headers)
    state.send_data(1, health_request(service), end_stream=True)
    writer.write(state.data_to_send())
    body = await _answer(state, reader, writer)
    return serving_status(body)


async def _answer(state: Any, reader: Any, writer: Any) -> bytes:
    from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

    body = bytearray()
    async for event in _events(state, reader, writer):
        if isinstance(event, DataReceived):
            state.acknowledge_received_data(event.flow_controlled_length, 1)
            body += event.data
            if len(body) > LARGEST_ANSWER:
                raise _Refused(_rpc_error("ResourceExhausted", "received message larger than max"))
        elif isinstance(event, ResponseReceived | TrailersReceived):
            _check_status(dict(event.headers))  # type: ignore[arg-type]  # texts, by header_encoding
        elif isinstance(event, StreamEnded):
            return bytes(body)
        elif isinstance(event, StreamReset):
            raise _Closed("stream terminated by RST_STREAM")
    raise _Closed("connection closed")


def _check_status(headers: dict[str, str]) -> None:
    if headers.get(":status", "200") != "200":
        raise _Refused(_rpc_error("Unimplemented", f"unexpected HTTP status code received from server: {headers[':status']}"))
    code = headers.get("grpc-status", "0")
    if code != "0":
        name = CODES[int(code)] if code.isdecimal() and int(code) < len(CODES) else "Unknown"
        raise _Refused(_rpc_error(name, unquote(headers.get("grpc-message", ""))))


def health_request(service: str) -> bytes:
    """The framed message HealthCheckRequest{service = 1: string}."""
    name = service.encode()
    message = b"\x0a" + varint(len(name)) + name if name else b""
    return b"\x00" + len(message).to_bytes(4, "big") + message


def varint(number: int) -> bytes:
    """An unsigned number as protocol buffers write it."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def serving_status(body: bytes) -> int:
    """Field 1 of the framed HealthCheckResponse; 0 (unknown) if it is not there or makes no sense."""
    message = body[5:]
    if len(message) >= 2 and message[0] == 0x08:
        return message[1]
    return 0
