"""The shapes of replies: each a pair of functions, from a reply to its msgpack value and back.

Most reads answer a map with one field of their own beside the four that say how fresh it is. Writes answer a bare value or an empty map.

Source: reference of the RPC wire, section 5.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from muster.model.errors import DecodeError
from muster.model.queries import QueryDnsOptions
from muster.wire import rpc_config_entries
from muster.wire.records import decoder, encoder
from muster.wire.replies import Reply
from muster.wire.rpc_meta import encode_meta, reply_of
from muster.wire.rpc_records import QueryAnswer, TxnResponse
from muster.wire.rpc_rows import (
    Row,
    a_number,
    a_text,
    as_map,
    decode_check_service_node,
    decode_server_health,
    decode_service_list,
    decode_services_by_id,
    decoded_list,
    encode_check_service_node,
    encode_server_health,
    encode_service_list,
    encode_services_by_id,
    encoded_list,
)


class Shape(msgspec.Struct, frozen=True):
    """`encode(reply, request)` gives the value of the body; `request` may be None if it is not known. `decode` is the reverse."""

    encode: Callable[[Reply, Any], Any]
    decode: Callable[[Any], Reply]


def _nothing(value: Any) -> Reply:
    as_map(value)
    return Reply(value=None)


NOTHING = Shape(lambda _reply, _request: {}, _nothing)
"""An empty map."""


def bare(kind: type[Any]) -> Shape:
    """One value of its own: a truth, a text."""

    def decode(value: Any) -> Reply:
        if value is not None and type(value) is not kind:
            raise DecodeError(f"expected {kind.__name__}, got {type(value).__name__}")
        return Reply(value=kind() if value is None else value)

    return Shape(lambda reply, _request: kind() if reply.value is None else reply.value, decode)


def _texts(value: Any) -> Reply:
    return Reply(value=decoded_list(a_text, value))


TEXTS = Shape(lambda reply, _request: list(reply.value or ()), _texts)
"""A bare list of texts."""


def rows(row: type[msgspec.Struct]) -> Shape:
    """A bare list of records."""
    encode, decode = encoder(row), decoder(row)
    return Shape(lambda reply, _request: encoded_list(encode, reply.value), lambda value: Reply(value=decoded_list(decode, value)))


def flat(record: type[msgspec.Struct]) -> Shape:
    """One record, and nothing about freshness."""
    encode, decode = encoder(record), decoder(record)
    return Shape(lambda reply, _request: encode(reply.value), lambda value: Reply(value=decode(as_map(value))))


SERVER_HEALTH = Shape(lambda reply, _request: encode_server_health(reply.value), lambda value: Reply(value=decode_server_health(value)))


def single(name: str, encode: Row, decode: Row) -> Shape:
    """A field with one value, beside freshness."""

    def encoded(reply: Reply, _request: Any) -> Any:
        return _with_meta(reply, {name: encode(reply.value)})

    def decoded(value: Any) -> Reply:
        fields = as_map(value)
        return reply_of(decode(fields.get(name)), fields)

    return Shape(encoded, decoded)


def listed(name: str, encode: Row, decode: Row, *, never_nil: bool = False) -> Shape:
    """A field with a list, beside freshness. An empty list is nil, unless the peers make it (`never_nil`), or a filter emptied it."""

    def encoded(reply: Reply, request: Any) -> Any:
        found = encoded_list(encode, reply.value)
        filtered = request is not None and request.filter != ""
        if found is None and (never_nil or filtered):
            found = []
        return _with_meta(reply, {name: found})

    return Shape(encoded, lambda value: _listed_of(name, decode, value))


def _listed_of(name: str, decode: Row, value: Any) -> Reply:
    fields = as_map(value)
    return reply_of(decoded_list(decode, fields.get(name)), fields)


def one(name: str, record: type[msgspec.Struct]) -> Shape:
    """A field with a list of one record, or nil for none; the reply's value is the record or None."""
    encode, decode = encoder(record), decoder(record)

    def encoded(reply: Reply, _request: Any) -> Any:
        return _with_meta(reply, {name: None if reply.value is None else [encode(reply.value)]})

    def decoded(value: Any) -> Reply:
        reply = _listed_of(name, decode, value)
        reply.value = reply.value[0] if reply.value else None
        return reply

    return Shape(encoded, decoded)


def without_freshness(shape: Shape) -> Shape:
    """The same, but the peers leave out that there is a leader, and the index where there is no value."""

    def encoded(reply: Reply, request: Any) -> Any:
        index = 0 if reply.value is None else reply.index
        return shape.encode(msgspec.structs.replace(reply, known_leader=False, index=index), request)

    return Shape(encoded, shape.decode)


META_ONLY = Shape(lambda reply, _request: encode_meta(reply), lambda value: reply_of(None, as_map(value)))


def _service_tags_of(value: Any) -> dict[str, list[str]]:
    return {a_text(name): decoded_list(a_text, tags) for name, tags in as_map(value).items()}


SERVICE_TAGS = single("Services", lambda found: {name: list(tags) for name, tags in found.items()}, _service_tags_of)
SERVICE_NAMES = listed("Services", lambda name: {"Name": name}, lambda row: a_text(as_map(row).get("Name")))


NODE_SERVICES = single("NodeServices", encode_services_by_id, decode_services_by_id)
NODE_SERVICE_LIST = single("NodeServices", encode_service_list, decode_service_list)
CHECK_SERVICE_NODES = listed("Nodes", encode_check_service_node, decode_check_service_node)

_encode_txn, _decode_txn = encoder(TxnResponse), decoder(TxnResponse)


def _txn_read_of(value: Any) -> Reply:
    fields = as_map(value)
    return reply_of(_decode_txn(fields), fields)


TXN_READ = Shape(lambda reply, _request: _with_meta(reply, _encode_txn(reply.value)), _txn_read_of)


def _query_answer(reply: Reply, _request: Any) -> Any:
    answer: QueryAnswer = reply.value
    fields = {
        "DNS": {"TTL": answer.dns.ttl},
        "Datacenter": answer.datacenter,
        "Failovers": answer.failovers,
        "Nodes": encoded_list(encode_check_service_node, answer.nodes),
        "Service": answer.service,
    }
    return _with_meta(reply, fields)


_decode_dns = decoder(QueryDnsOptions)


def _query_answer_of(value: Any) -> Reply:
    fields = as_map(value)
    answer = QueryAnswer(
        service=a_text(fields.get("Service") or ""),
        nodes=decoded_list(decode_check_service_node, fields.get("Nodes")),
        dns=_decode_dns(as_map(fields.get("DNS"))),
        datacenter=a_text(fields.get("Datacenter") or ""),
        failovers=a_number(fields.get("Failovers")),
    )
    return reply_of(answer, fields)


QUERY_ANSWER = Shape(_query_answer, _query_answer_of)


def _anything(value: Any) -> Reply:
    return Reply(value=value)


ANYTHING = Shape(lambda reply, _request: reply.value, _anything)
"""The value as it stands on the wire: of methods that this program only hears of."""

CONFIG_ENTRY = Shape(lambda reply, _request: rpc_config_entries.encode_get(reply), rpc_config_entries.decode_get)
CONFIG_ENTRIES = Shape(
    lambda reply, request: rpc_config_entries.encode_list(reply, getattr(request, "kind", "")),
    lambda value: rpc_config_entries.decode_list(value)[0],
)
ALL_CONFIG_ENTRIES = Shape(lambda reply, _request: rpc_config_entries.encode_list_all(reply), rpc_config_entries.decode_list_all)


def _with_meta(reply: Reply, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with the reply's freshness among them, sorted as the peers write them."""
    fields.update(encode_meta(reply))
    return dict(sorted(fields.items()))
