"""How much of a request is taken."""

from collections.abc import Callable
from typing import Any, NamedTuple

HEAD_LIMIT = 64 * 1024  # bytes of request line and headers
DEFAULT_BODY = 8 * 1024 * 1024  # bytes; the peers know no limit here, and nothing that they accept in practice is bigger
SNAPSHOT_BODY = 8 * 1024 * 1024 * 1024
DISCARDED_BODY = 64 * 1024 * 1024  # bytes read and thrown away so that the client can read why, before the connection is closed


class BodyLimit(NamedTuple):
    """`size(settings)` is the most bytes that a body may have, `refusal(size, limit)` the text for a bigger one."""

    size: Callable[[Any], int]
    refusal: Callable[[int, int], str]


def _too_large(size: int, limit: int) -> str:
    return f"Request body({size} bytes) too large, max size: {limit} bytes."


def _value_too_large(size: int, limit: int) -> str:
    return f"{_too_large(size, limit)} See https://www.consul.io/docs/agent/options.html#kv_max_value_size."


def _transaction_too_large(size: int, limit: int) -> str:
    return f"{_too_large(size, limit)} See https://www.consul.io/docs/agent/options.html#txn_max_req_len."


DEFAULT_LIMIT = BodyLimit(lambda settings: DEFAULT_BODY, _too_large)
VALUE_LIMIT = BodyLimit(lambda settings: settings.kv_max_value_size, _value_too_large)
TRANSACTION_LIMIT = BodyLimit(lambda settings: settings.txn_max_req_len, _transaction_too_large)
SNAPSHOT_LIMIT = BodyLimit(lambda settings: SNAPSHOT_BODY, _too_large)
