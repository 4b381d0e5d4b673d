"""Replies that came from another server, or from one that does not lead: what the edge makes of them."""

import json
from types import SimpleNamespace
from typing import Any

from muster.http import kv, operator
from muster.http.messages import Request, Response
from muster.http.recent import RecentEntries
from muster.http.settings import Settings
from muster.model.kv import KVEntry
from muster.wire.replies import Reply
from muster.wire.rpc_records import OperatorHealthReply, ServerHealth
from muster.wire.times import Timestamp


def context_of(reply: Reply) -> Any:
    agent = SimpleNamespace(call=lambda method, request: reply)
    return SimpleNamespace(agent=agent, settings=Settings(node_name="n1"), recent=RecentEntries())


def answered(handler: Any, path: str, reply: Reply, rest: str = "", query: bytes = b"") -> Response:
    request = Request("GET", path, query, {}, "127.0.0.1")
    request.rest = rest
    outcome = handler(request, context_of(reply))
    assert isinstance(outcome, Response)
    return outcome


def test_the_moment_since_which_a_server_is_stable_may_come_as_the_wire_has_it() -> None:
    server = ServerHealth(id="a", name="s1", address="10.0.0.1:8300", stable_since=Timestamp(1_700_000_000_000_000_000))
    found = answered(operator.health, "/v1/operator/autopilot/health", Reply(value=OperatorHealthReply(healthy=True, servers=[server])))
    body = found.body
    assert isinstance(body, bytes)
    assert json.loads(body)["Servers"][0]["StableSince"] == "2023-11-14T22:13:20Z"


def test_a_follower_tells_of_each_answer_how_old_it_is() -> None:
    encodings: dict[Any, Any] = {}
    shown = []
    for age in (5_000_000, 9_000_000):
        reply = Reply(value=KVEntry(key="a", value=b"x"), index=7, last_contact=age, encodings=encodings)
        shown.append(answered(kv.read, "/v1/kv/a", reply, rest="a", query=b"stale").headers)
    assert b"X-Consul-Lastcontact: 5\r\n" in shown[0]
    assert b"X-Consul-Lastcontact: 9\r\n" in shown[1]
