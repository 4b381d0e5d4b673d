"""/v1/status: the leader and its peers."""

from muster.http.answers import json_answer, then
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import read_options
from muster.http.routing import Context
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest


def leader(request: Request, context: Context) -> Outcome:
    """GET: address and port of the leader, an empty text without one."""
    return then(context.agent.call("Status.Leader", DatacenterRequest(**read_options(request, context))), _leader, request, context)


def _leader(reply: Reply, request: Request, context: Context) -> Response:
    return json_answer(reply.value or "", request, context)


def peers(request: Request, context: Context) -> Outcome:
    """GET: addresses and ports of all servers of the log."""
    return then(context.agent.call("Status.Peers", DatacenterRequest(**read_options(request, context))), _peers, request, context)


def _peers(reply: Reply, request: Request, context: Context) -> Response:
    return json_answer(reply.value or [], request, context)
