"""/v1/snapshot: the whole state of a datacenter as one archive, saved and put back."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from msgspec import Struct

from muster.http.answers import meta, nothing, then
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import write_target
from muster.http.routing import Context
from muster.http.writing import slices
from muster.model.errors import Rejected
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest


class SnapshotRestoreRequest(Struct, frozen=True, gc=False, kw_only=True):
    """The archive that is to become the state."""

    archive: bytes
    datacenter: str = ""
    token: str = ""


GZIP_TYPE = b"Content-Type: application/x-gzip\r\n"


def save(request: Request, context: Context) -> Outcome:
    """GET: the archive, made and sent bit by bit."""
    question = DatacenterRequest(allow_stale="stale" in request.query, **write_target(request, context))
    return then(context.agent.call("Snapshot.Save", question), _saved)


def _saved(reply: Reply) -> Response:
    body: bytes | Iterator[bytes] | AsyncIterator[bytes] = reply.value
    if isinstance(body, bytes | bytearray):
        body = slices(bytes(body))
    return Response(200, GZIP_TYPE + meta(reply), body, encoded=True)


def restore(request: Request, context: Context) -> Outcome:
    """PUT: replaces the state by that of an archive."""
    target = write_target(request, context)
    if "stale" in request.query:
        raise Rejected("stale not allowed for restore")
    outcome: Any = context.agent.call("Snapshot.Restore", SnapshotRestoreRequest(archive=request.body, **target))
    return then(outcome, nothing)
