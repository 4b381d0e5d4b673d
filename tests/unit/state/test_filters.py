"""Filters against what a real Consul 1.8.7 answered to the same expressions over the same catalog.

`filter_expressions.json` holds an expression a line, with the ids it found or the error text, cut where the texts of the two
programs' parsers part.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from muster.model.catalog import (
    CheckServiceNode,
    ConnectProxyConfig,
    ExposeConfig,
    ExposePath,
    HealthCheck,
    MeshGatewayConfig,
    Node,
    NodeService,
    ServiceAddress,
    ServiceConnect,
    ServiceNode,
    Upstream,
    Weights,
)
from muster.model.errors import Rejected
from muster.state.filters import compile_filter
from muster.state.filters_grammar import DEEPEST_NESTING

RECORDED = json.loads((Path(__file__).parent / "filter_expressions.json").read_text())
SHARED_HEADS = ("no match found, expected:", "error parsing regexp:")

F1 = Node(
    id="40e4a748-2192-161a-0510-9bf59fe950b5",
    node="f1",
    address="10.0.0.1",
    datacenter="dc1",
    tagged_addresses={"lan": "10.0.0.1", "wan": "1.2.3.4"},
    meta={"rack": "r1", "a b": "c d", "empty": ""},
)
F2 = Node(node="f2", address="10.0.0.2", datacenter="dc1")
F3 = Node(node="f3", address="10.0.0.3", datacenter="dc1", meta={"rack": "r2"})
F4 = Node(node="f4", address="10.0.0.4", datacenter="dc1")
PEER = Node(
    id="578924d7-4c05-6dad-f28c-e00672aae740", node="s2node", address="127.0.0.1", datacenter="dc1", meta={"consul-network-segment": ""}
)
W1 = NodeService(
    id="w1",
    service="web",
    tags=["a", "b"],
    port=80,
    address="9.9.9.9",
    meta={"tier": "front", "n": "5"},
    weights=Weights(passing=5, warning=2),
    tagged_addresses={"wan": ServiceAddress(address="8.8.8.8", port=99)},
    enable_tag_override=True,
)
W2 = NodeService(id="w2", service="web", tags=["b"], port=8080, weights=Weights())
W3 = NodeService(
    id="w3",
    service="web",
    kind="connect-proxy",
    port=21000,
    weights=Weights(),
    proxy=ConnectProxyConfig(
        destination_service_name="web",
        destination_service_id="w1",
        local_service_port=80,
        local_service_address="127.0.0.1",
        config={"x": 1},
        upstreams=[Upstream(destination_name="db", local_bind_port=9191, destination_type="service")],
        mesh_gateway=MeshGatewayConfig(mode="local"),
        expose=ExposeConfig(checks=True, paths=[ExposePath(path="/h", protocol="http", local_path_port=8, listener_port=9)]),
    ),
)
W4 = NodeService(id="w4", service="web", tags=[], weights=Weights(), connect=ServiceConnect(native=True))
C1 = HealthCheck(
    node="f1", check_id="c1", name="svc", status="warning", service_id="w1", service_name="web", service_tags=["a", "b"], type="http"
)
NODE_CHECK = HealthCheck(node="f1", check_id="node", name="node", status="passing", notes="hello world", output="multi\nline")
C2 = HealthCheck(node="f2", check_id="c2", name="svc", status="critical", service_id="w2", service_name="web", service_tags=["b"])

INSTANCES = [(F1, W1, [NODE_CHECK, C1]), (F2, W2, [C2]), (F3, W3, []), (F4, W4, [])]
ROWS: dict[str, tuple[type, list[tuple[str, Any]]]] = {
    "catalog-service": (ServiceNode, [(service.id, ServiceNode(node=node, service=service)) for node, service, _ in INSTANCES]),
    "health-service": (
        CheckServiceNode,
        [(service.id, CheckServiceNode(node=node, service=service, checks=checks)) for node, service, checks in INSTANCES],
    ),
    "nodes": (Node, [(node.node, node) for node in (F1, F2, F3, F4, PEER)]),
    "node-services": (NodeService, [("w1", W1)]),
    "checks": (HealthCheck, [(f"{check.node}/{check.check_id}", check) for check in (C1, NODE_CHECK, C2)]),
}


def shared(text: str) -> str:
    """The part of an error text that the peer's and ours have in common."""
    for head in SHARED_HEADS:
        text = text.split(head)[0]
    return text


@pytest.mark.parametrize("case", RECORDED, ids=[f"{case['rows']}: {case['expression']}" for case in RECORDED])
def test_an_expression_finds_what_the_peer_found(case: dict[str, Any]) -> None:
    row_type, rows = ROWS[case["rows"]]
    if "error" in case:
        with pytest.raises(Rejected) as refused:
            compile_filter(case["expression"], row_type)
        assert shared(str(refused.value)) == case["error"]
        return
    predicate = compile_filter(case["expression"], row_type)
    assert [name for name, row in rows if predicate(row)] == case["found"]


def test_the_recorded_table_is_not_empty() -> None:
    assert len(RECORDED) > 80


def test_the_position_of_a_failure_counts_lines_characters_and_bytes() -> None:
    with pytest.raises(Rejected, match=r"2:2 \(12\): no match"):
        compile_filter("Node == f1\n xx", Node)
    with pytest.raises(Rejected, match=r"1:13 \(13\): no match"):
        compile_filter('Node == "é" x', Node)


@pytest.mark.parametrize(
    "nested", ["(" * 150 + "Node == a" + ")" * 150, "not " * 150 + "Node == a", "(" * 5000], ids=["open", "not", "many"]
)
def test_deep_nesting_is_refused(nested: str) -> None:
    with pytest.raises(Rejected, match=f"nested deeper than {DEEPEST_NESTING}"):
        compile_filter(nested, Node)


def test_a_long_expression_is_refused() -> None:
    with pytest.raises(Rejected, match="longer than"):
        compile_filter("Node == " + "a" * 70_000, Node)


def test_an_equal_expression_is_compiled_once() -> None:
    assert compile_filter("Node == kept", Node) is compile_filter("Node == kept", Node)


@pytest.mark.parametrize("checks", [None, []], ids=["absent", "empty"])
def test_lists_and_maps_that_are_absent_count_as_empty(checks: Any) -> None:
    service = NodeService(tags=checks, meta=None)
    assert compile_filter("Tags is empty and Meta is empty and a not in Tags and not a in Meta", NodeService)(service)
