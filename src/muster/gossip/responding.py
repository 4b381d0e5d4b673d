"""Answers to queries: straight to who asked, and on wish also through other members, should the direct way be cut.

Source: reference of the gossip wire, section 3; texts of the refusals as the peers say them.
"""

from collections.abc import Callable
from random import Random

from muster.gossip.effects import Send
from muster.gossip.node_table import NodeRecord, NodeTable
from muster.gossip.settings import PoolSettings
from muster.model.errors import Rejected
from muster.wire.gossip import Endpoint
from muster.wire.serf import Query, QueryResponse, Relay
from muster.wire.serf_codec import encode_serf

RELAY_LIMIT = 5
"""Members that one answer is sent through at most, whatever a query asks for: what Consul lets its users ask for."""
RELAY_PROTOCOL = 5
"""The first protocol of memberlist whose speakers pass on what they are asked to."""

SendUser = Callable[[Endpoint, str, bytes], Send]


class Responder:
    """Makes the answers of the member `name`."""

    __slots__ = ("_chance", "_name", "_nodes", "_send", "_settings")

    def __init__(self, name: str, nodes: NodeTable, send: SendUser, settings: PoolSettings, chance: Random) -> None:
        self._name = name
        self._nodes = nodes
        self._send = send
        self._settings = settings
        self._chance = chance

    def response(self, query: Query, flags: int, payload: bytes) -> QueryResponse:
        """Our answer, or with a flag our ack; `Rejected` if it is too big."""
        response = QueryResponse(time=query.time, identity=query.identity, sender=self._name, flags=flags, payload=payload)
        if not self.fits(response):
            raise Rejected(f"response exceeds limit of {self._settings.query_response_size_limit} bytes")
        return response

    def fits(self, response: QueryResponse) -> bool:
        """Whether an answer is small enough for a packet."""
        return len(encode_serf(response)) <= self._settings.query_response_size_limit

    def send(self, query: Query, origin: Endpoint, response: QueryResponse) -> list[Send]:
        """The packets that carry an answer."""
        encoded = encode_serf(response)
        return [self._send(origin, query.source_node, encoded), *self._relayed(query, origin, encoded)]

    def _relayed(self, query: Query, origin: Endpoint, encoded: bytes) -> list[Send]:
        factor = min(query.relay_factor, RELAY_LIMIT)
        if factor == 0 or len(self._nodes) < query.relay_factor + 1:
            return []
        address, port = origin
        relay = encode_serf(Relay(address=address, port=port, node=query.source_node, message=encoded))
        if len(relay) > self._settings.query_response_size_limit:
            return []
        through = self._nodes.random_nodes(factor, self._chance, self._may_relay)
        return [self._send(record.endpoint, record.name, relay) for record in through]

    def _may_relay(self, record: NodeRecord) -> bool:
        return record.is_up and record.name != self._name and record.protocol_maximum >= RELAY_PROTOCOL
