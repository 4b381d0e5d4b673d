"""What every RPC method takes and answers: from typed records to the bytes of the peers, and back.

    encode_argument / decode_argument      the request record of a method, with its datacenter, token and options
    encode_reply / decode_reply            a `Reply`: its value is what `server/endpoints` says of the method

Source: reference of the RPC wire, section 5; methods.json.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from muster.model.coordinates import NodeCoordinate
from muster.model.errors import DecodeError
from muster.model.kv import KVEntry
from muster.model.operator import AutopilotConfig
from muster.model.queries import PreparedQuery
from muster.model.sessions import Session
from muster.wire import commands, requests, rpc_config_entries, rpc_records, rpc_replies
from muster.wire.catalog_rows import CHECKS, NODES
from muster.wire.msgpack import pack
from muster.wire.replies import Reply
