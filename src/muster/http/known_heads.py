"""Heads of requests that came before.

A client sends the same request line and headers again and again: what the same bytes mean need not be found out twice. A head is
remembered only if it is plain HTTP/1.1 that leaves the connection open, and if it ended exactly where it seems to end.
"""

from msgspec import Struct

from muster.http.messages import Request

END = b"\r\n\r\n"
LONGEST = 512  # bytes of a head
REMEMBERED = 2048
_copy = Request.__copy__  # type: ignore[attr-defined]  # every record has it; `copy.copy` looks for it, and takes three times as long
_FRAMING = frozenset((b"transfer-encoding", b"expect", b"upgrade"))


class KnownHead(Struct, gc=False):
    """What a head means: the request without its body, and how many bytes of body follow."""

    request: Request
    body_size: int

    def request_with(self, body: bytes, remote: str) -> Request:
        """The request of a client. Nobody changes one that has no body, so it serves all that send it from the same address."""
        known = self.request
        if not body and known.remote == remote:
            return known
        made: Request = _copy(known)
        made.body, made.remote = body, remote
        return made


class KnownHeads:
    """By the bytes of a head, its blank line included."""

    __slots__ = ("_heads", "find")

    def __init__(self) -> None:
        self._heads: dict[bytes, KnownHead] = {}
        self.find = self._heads.get

    def learn(self, head: bytes, request: Request, body_size: int) -> None:
        """Remembers a head that was parsed, unless something about it is unusual."""
        plain = request.keep_alive and not request.version_10 and request.early is None and request.endpoint is not None
        if not plain or request.oversize or len(head) > LONGEST or not _FRAMING.isdisjoint(request.headers):
            return
        if len(self._heads) >= REMEMBERED:
            self._heads.clear()
        if request.body:
            request = _copy(request)
            request.body = b""
        self._heads[head] = KnownHead(request, body_size)

    def forget(self) -> None:
        """Settings changed: what was allowed may be no more."""
        self._heads.clear()
