"""The head of an answer, and its body in gzip where the client takes it."""

import zlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from muster.http.messages import Request, Response

if TYPE_CHECKING:
    from muster.http.listener import Listener

LONG_BODY = 128 * 1024  # bytes; more is compressed slice by slice, because 1 MB takes some 20 ms
SHORT_BODY = 2048  # bytes; a longer one is not copied behind its head
SLICE = 64 * 1024
GZIP_LINE = b"Content-Encoding: gzip\r\n"
_GZIP = 31  # zlib's window bits for a gzip head and trailer

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {413: "Request Entity Too Large"}
STATUS_LINES = {status: f"HTTP/1.1 {status} {reason}\r\n".encode() for status, reason in _REASONS.items()}


def head(listener: "Listener", request: Request, response: Response, length: int | None) -> bytes:
    """Status line and headers. `length` None: the body is sent in chunks (HTTP/1.0: until the end of the connection)."""
    status = STATUS_LINES.get(response.status) or b"HTTP/1.1 %d \r\n" % response.status
    common = listener.common_headers if request.endpoint is not None else b""
    status, extra = _unusual(status, request, length)
    if length is not None:
        extra += b"Content-Length: %d\r\n" % length
    return b"%b%b%b%b%b" % (status, common, response.headers, extra, listener.date)


def usual_answer(listener: "Listener", response: Response) -> bytes:
    """Head and, if it is short, body of an answer of an endpoint to HTTP/1.1, when the connection stays."""
    status = STATUS_LINES.get(response.status) or b"HTTP/1.1 %d \r\n" % response.status
    body = response.body
    assert type(body) is bytes
    shown = body if len(body) <= SHORT_BODY else b""
    return b"%b%b%bContent-Length: %d\r\n%b%b" % (status, listener.common_headers, response.headers, len(body), listener.date, shown)


def _unusual(status: bytes, request: Request, length: int | None) -> tuple[bytes, bytes]:
    extra = b""
    if request.version_10:
        status = status.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        if length is None:
            request.keep_alive = False
        elif request.keep_alive:
            extra = b"Connection: keep-alive\r\n"
    else:
        if length is None:
            extra = b"Transfer-Encoding: chunked\r\n"
        if not request.keep_alive:
            extra += b"Connection: close\r\n"
    return status, extra


def packed(request: Request, response: Response) -> Response:
    """The answer with its body in gzip: whole if it is short, slice by slice if it is long."""
    body = response.body
    assert isinstance(body, bytes)
    headers = response.headers + GZIP_LINE
    if len(body) < LONG_BODY or request.version_10:
        return Response(response.status, headers, gzip_bytes(body), encoded=True)
    return Response(response.status, headers, gzip_parts(slices(body)), encoded=True)


def gzip_bytes(body: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()


def slices(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), SLICE):
        yield body[start : start + SLICE]


def gzip_parts(parts: Iterator[bytes]) -> Iterator[bytes]:
    """A stream in gzip. A part that leaves nothing yet gives an empty one."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    for part in parts:
        yield packer.compress(part)
    yield packer.flush()
