"""The endpoints of /v1/agent against an agent over a catalog that takes everything."""

import asyncio
import functools
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from muster.agent.agent import Agent
from muster.agent.config.config import Config
from muster.agent.config.sections import Ports
from muster.http.agent_routes import AGENT_ROUTES
from muster.http.dispatch import answer
from muster.http.messages import Pending, Request, Response
from muster.http.routing import Context, Router
from muster.http.settings import Settings
from muster.program.clock import SystemClock
from muster.wire.replies import Reply

HOST = "127.0.0.1"
POOLS = Ports(serf_lan=0, serf_wan=0)


class Everything:
    def call(self, method: str, request: Any) -> Reply:
        return Reply(value=None if method.startswith(("Catalog.Node", "Health")) else True)


@dataclass
class Answer:
    status: int
    headers: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Edge:
    """The routes, without a socket."""

    def __init__(self, **config: Any) -> None:
        own = Config(node_name="n1", dev=True, server=True, ports=POOLS, serf_bind_address_lan=HOST, serf_bind_address_wan=HOST, **config)
        self.agent = Agent(own, SystemClock(), random.Random(1), Everything())
        self.router = Router(AGENT_ROUTES)
        self.context = Context(
            agent=self.agent,
            settings=Settings(node_name="n1"),
            metrics=self.agent.metrics,
            clock=self.agent.clock,
            router=self.router,
            recent=None,
        )

    async def ask(self, method: str, target: str, body: bytes | dict[str, Any] = b"", **headers: str) -> Answer:
        path, _, query = target.partition("?")
        given = json.dumps(body).encode() if isinstance(body, dict) else body
        names = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        request = Request(method, path, query.encode(), names, "127.0.0.1", body=given)
        request.endpoint, request.rest = self.router.find(path)
        outcome = answer(request, self.context)
        while not isinstance(outcome, Response):
            if isinstance(outcome, Pending):
                outcome = outcome.answer(await outcome.future, *outcome.arguments)
            else:
                outcome = await outcome
        assert isinstance(outcome.body, bytes)
        return Answer(outcome.status, outcome.headers.decode(), outcome.body)


def with_edge(test: Callable[[Edge], Awaitable[None]]) -> Callable[[], None]:
    @functools.wraps(test)
    def run() -> None:
        async def main() -> None:
            edge = Edge()
            await edge.agent.pools.open()
            edge.agent.start()
            try:
                await test(edge)
            finally:
                await edge.agent.stop()
                await edge.agent.pools.close()

        asyncio.run(main())

    del run.__wrapped__  # or pytest would look for a fixture of the argument's name
    return run


@with_edge
async def test_a_service_is_shown_as_the_peer_shows_it(edge: Edge) -> None:
    assert (await edge.ask("PUT", "/v1/agent/service/register", {"Name": "web", "Address": "1.2.3.4", "Port": 80})).status == 200
    shown = (await edge.ask("GET", "/v1/agent/services")).json["web"]
    assert shown == {
        "ID": "web",
        "Service": "web",
        "Tags": [],
        "Meta": {},
        "Port": 80,
        "Address": "1.2.3.4",
        "TaggedAddresses": {tag: {"Address": "1.2.3.4", "Port": 80} for tag in ("lan_ipv4", "wan_ipv4")},
        "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": False,
    }
    one = await edge.ask("GET", "/v1/agent/service/web")
    assert one.json == {**shown, "ContentHash": one.json["ContentHash"]}
    assert f"X-Consul-Contenthash: {one.json['ContentHash']}\r\n" in one.headers


@with_edge
async def test_a_question_with_the_hash_waits_for_a_change_of_that_service(edge: Edge) -> None:
    await edge.ask("PUT", "/v1/agent/service/register", {"Name": "web"})
    first = (await edge.ask("GET", "/v1/agent/service/web")).json["ContentHash"]
    waiting = asyncio.ensure_future(edge.ask("GET", f"/v1/agent/service/web?hash={first}&wait=10s"))
    await edge.ask("PUT", "/v1/agent/service/register", {"Name": "another"})
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    await edge.ask("PUT", "/v1/agent/service/register", {"Name": "web", "Port": 1})
    assert (await waiting).json["Port"] == 1
    unchanged = await edge.ask("GET", f"/v1/agent/service/web?hash={(await waiting).json['ContentHash']}&wait=1ms")
    assert unchanged.json == (await waiting).json
    gone = asyncio.ensure_future(edge.ask("GET", f"/v1/agent/service/web?hash={unchanged.json['ContentHash']}"))
    await asyncio.sleep(0)
    await edge.ask("PUT", "/v1/agent/service/deregister/web")
    assert (await gone).status == 404


REFUSED = [
    pytest.param("GET", "/v1/agent/service/absent", b"", 404, "unknown service ID: absent", id="unknown service"),
    pytest.param("GET", "/v1/agent/service/absent?hash=x&wait=soon", b"", 400, "Invalid wait time", id="no time"),
    pytest.param("PUT", "/v1/agent/service/register", b"{", 400, "Request decode failed: unexpected EOF", id="half a body"),
    pytest.param("PUT", "/v1/agent/service/deregister/", b"", 500, "ServiceID missing", id="no service id"),
    pytest.param("PUT", "/v1/agent/check/deregister/", b"", 500, "CheckID missing", id="no check id"),
    pytest.param("PUT", "/v1/agent/check/pass/absent", b"", 500, 'CheckID "absent" does not have associated TTL', id="no TTL"),
    pytest.param("PUT", "/v1/agent/check/update/c", b'{"Status":"odd"}', 400, "Invalid check status: 'odd'", id="an odd status"),
    pytest.param(
        "PUT", "/v1/agent/check/update/c", b'{"X":1}', 400, 'Request decode failed: json: unknown field "X"', id="an unknown field"
    ),
    pytest.param(
        "PUT",
        "/v1/agent/check/register",
        b'{"Name":"c","Args":["true"],"Interval":"1h"}',
        500,
        "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
        id="a script",
    ),
    pytest.param("PUT", "/v1/agent/maintenance", b"", 400, "Missing value for enable", id="maintenance of what kind"),
    pytest.param("PUT", "/v1/agent/maintenance?enable=perhaps", b"", 400, 'Invalid value for enable: "perhaps"', id="perhaps"),
    pytest.param("PUT", "/v1/agent/service/maintenance/?enable=1", b"", 400, "Missing service ID", id="maintenance of nothing"),
    pytest.param(
        "PUT", "/v1/agent/service/maintenance/x?enable=1", b"", 404, 'No service registered with ID "x"', id="maintenance of an unknown one"
    ),
    pytest.param("GET", "/v1/agent/health/service/id/", b"", 500, "Bad request: Missing serviceID", id="health of nothing"),
    pytest.param("GET", "/v1/agent/members?segment=x&wan=1", b"", 400, "Cannot provide a segment with wan=true", id="segment and WAN"),
    pytest.param("GET", "/v1/agent/monitor?loglevel=odd", b"", 400, "Bad request: Unknown log level: odd", id="an odd level"),
    pytest.param(
        "GET",
        "/v1/agent/metrics?format=prometheus",
        b"",
        415,
        "Prometheus is not enabled since its retention time is not positive",
        id="no retention",
    ),
    pytest.param("PUT", "/v1/agent/force-leave/x", b"", 500, "agent: No node found with name 'x'", id="an unknown member"),
    pytest.param("PUT", "/v1/agent/token/default", b'{"Token":"x"}', 401, "ACL support disabled", id="a token"),
    pytest.param("POST", "/v1/agent/self", b"", 405, "method POST not allowed", id="a wrong method"),
    pytest.param("GET", "/v1/agent/services?filter=bad+bad", b"", 500, "Failed to create boolean expression evaluator", id="a bad filter"),
    pytest.param(
        "GET",
        "/v1/agent/checks?filter=bad+bad",
        b"",
        500,
        "Failed to create boolean expression evaluator: 1:5",
        id="a bad filter of checks",
    ),
]


@pytest.mark.parametrize(("method", "target", "body", "status", "text"), REFUSED)
def test_what_cannot_be_done_is_refused_in_the_peers_words(method: str, target: str, body: bytes, status: int, text: str) -> None:
    @with_edge
    async def run(edge: Edge) -> None:
        answered = await edge.ask(method, target, body)
        assert answered.status == status
        assert answered.text == text or (answered.text.startswith(text) and "filter" in target)
        assert edge.agent.local.services() == edge.agent.local.checks() == {}, "a refused request changes nothing"

    run()


@with_edge
async def test_a_ttl_check_is_kept_alive_by_every_verb(edge: Edge) -> None:
    await edge.ask("PUT", "/v1/agent/check/register", {"Name": "c", "TTL": "1h"})
    for target, body, status, output in (
        ("pass/c", b"", "passing", ""),
        ("warn/c?note=getting+full", b"", "warning", "getting full"),
        ("fail/c?note=full", b"", "critical", "full"),
        ("update/c", b'{"Status":"passing","Output":"fine"}', "passing", "fine"),
        ("update/c", b'{"Status":"warning","Output":"%b"}' % (b"x" * 5000), "warning", "x" * 4096 + " ... (captured 4096 of 5000 bytes)"),
    ):
        assert (await edge.ask("PUT", f"/v1/agent/check/{target}", body)).status == 200
        check = (await edge.ask("GET", "/v1/agent/checks")).json["c"]
        assert (check["Status"], check["Output"]) == (status, output)
    assert (await edge.ask("GET", "/v1/agent/checks?filter=Status==passing")).json == {}


@with_edge
async def test_the_fields_of_a_filter_of_checks_are_looked_at_on_meeting_a_check(edge: Edge) -> None:
    assert (await edge.ask("GET", "/v1/agent/checks?filter=Foo==1")).json == {}
    await edge.ask("PUT", "/v1/agent/check/register", {"Name": "c", "TTL": "1h"})
    answered = await edge.ask("GET", "/v1/agent/checks?filter=Foo==1")
    assert (answered.status, answered.text) == (500, 'Selector "Foo" is not valid')


@with_edge
async def test_health_of_a_name_is_that_of_its_worst_instance(edge: Edge) -> None:
    for name, status in (("a1", "passing"), ("a2", "warning")):
        await edge.ask("PUT", "/v1/agent/service/register", {"ID": name, "Name": "app", "Check": {"TTL": "1h", "Status": status}})
    by_name = "/v1/agent/health/service/name/app"
    worst = await edge.ask("GET", by_name)
    assert (worst.status, [one["AggregatedStatus"] for one in worst.json]) == (429, ["passing", "warning"])
    assert "X-Consul-Reason: warning" in worst.headers
    assert (await edge.ask("GET", "/v1/agent/health/service/id/a1?format=text")).text == "passing"
    await edge.ask("PUT", "/v1/agent/check/fail/service:a2")
    as_text = await edge.ask("GET", by_name, accept="text/plain")
    assert (as_text.status, as_text.text) == (503, "critical")
    await edge.ask("PUT", "/v1/agent/service/maintenance/a1?enable=true")
    assert (await edge.ask("GET", "/v1/agent/health/service/id/a1")).json["AggregatedStatus"] == "maintenance"
    absent = await edge.ask("GET", "/v1/agent/health/service/id/absent")
    assert (absent.status, absent.json) == (404, {"AggregatedStatus": "critical", "Service": None, "Checks": None})


@with_edge
async def test_no_reason_smuggles_a_header_in(edge: Edge) -> None:
    answered = await edge.ask("GET", "/v1/agent/health/service/id/a\r\nX-Evil: 1")
    assert "X-Evil" not in [line.split(":")[0] for line in answered.headers.split("\r\n")]


@with_edge
async def test_the_agent_describes_itself_its_host_and_its_metrics(edge: Edge) -> None:
    shown = (await edge.ask("GET", "/v1/agent/self")).json
    assert sorted(shown) == ["Config", "Coord", "DebugConfig", "Member", "Meta", "Stats"]
    assert shown["Config"]["NodeName"] == shown["Member"]["Name"] == "n1"
    assert shown["DebugConfig"]["ACLToken"] == "hidden"
    assert sorted((await edge.ask("GET", "/v1/agent/host")).json) == ["CPU", "CollectionTime", "Disk", "Errors", "Host", "Memory"]
    assert sorted((await edge.ask("GET", "/v1/agent/metrics")).json) == ["Counters", "Gauges", "Points", "Samples", "Timestamp"]
