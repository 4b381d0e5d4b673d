"""A node by the beginning of its id, as Consul 1.8.7 takes it."""

import pytest

from muster.state.store import Store
from muster.wire.commands import RegisterRequest

NODE_ID = "40e4a748-2192-161a-0510-9bf59fe950b5"


@pytest.fixture(scope="module")
def catalog():
    store = Store()
    store.apply(1, RegisterRequest(node="n1", address="10.0.0.1", id=NODE_ID))
    store.apply(2, RegisterRequest(node="n2", address="10.0.0.2", id="50e4a748-2192-161a-0510-9bf59fe950b5"))
    return store.catalog


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(NODE_ID, True, id="the whole id"),
        pytest.param("40e4a7", True, id="whole bytes"),
        pytest.param("40e4a79", True, id="an odd last digit does not count"),
        pytest.param("40e4a748-2192-", True, id="whole bytes with hyphens"),
        pytest.param("40e4a748-2192", False, id="half a byte is left after the cut"),
        pytest.param("4", False, id="too short"),
        pytest.param("60", False, id="of no node"),
    ],
)
def test_the_beginning_of_an_id_finds_its_node(catalog, text, found):
    node = catalog.node_services(text)[1]
    assert (node is not None and node.node.node == "n1") is found
