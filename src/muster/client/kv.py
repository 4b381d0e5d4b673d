"""Keys and their values."""

from muster.client.base import Endpoints, decode, decode_list
from muster.client.errors import InvalidKey
from muster.client.queries import Answer, Query
from muster.model.kv import KVEntry

Entries = list[KVEntry]
Keys = list[str]


class KV(Endpoints):
    """The key/value store. Keys are texts without a leading slash; values are bytes."""

    def get(self, key: str, query: Query | None = None) -> Answer[KVEntry | None]:
        """The entry of a key, or None if it does not exist; both answers carry an index to block on."""
        return self._entries(key, query).map(lambda entries: entries[0] if entries else None)

    def list(self, prefix: str, query: Query | None = None) -> Answer[Entries]:
        """All entries whose keys begin with the prefix, in order of their keys."""
        return self._entries(prefix, query, ("recurse", ""))

    def keys(self, prefix: str, separator: str = "", query: Query | None = None) -> Answer[Keys]:
        """The keys that begin with the prefix, cut after the first separator that follows it."""
        parameters = [("keys", "")] + ([("separator", separator)] if separator else [])
        response = self._get(f"kv/{prefix.removeprefix('/')}", query, *parameters)
        if response.status == 404:
            return Answer([], response.headers)
        return Answer(decode_list(response.require_ok().body, str), response.headers)

    def put(self, key: str, value: bytes, *, flags: int = 0, cas: int | None = None, acquire: str = "", release: str = "") -> bool:
        """Writes a value; False if a condition was not met.

        `cas`: only if the key's modify index is this (0: only if it does not exist). `acquire`, `release`: the session that
        takes or gives back the lock on the key.
        """
        if key.startswith("/"):
            raise InvalidKey(f"Invalid key. Key must not begin with a '/': {key}")
        parameters = [("flags", str(flags))] if flags else []
        parameters += [] if cas is None else [("cas", str(cas))]
        parameters += [(name, session) for name, session in (("acquire", acquire), ("release", release)) if session]
        return decode(self._transport.request("PUT", f"kv/{key}", parameters, value).require_ok().body, bool)

    def delete(self, key: str, *, recurse: bool = False, cas: int | None = None) -> bool:
        """Removes a key, or everything under a prefix; False if `cas` is given and not the key's modify index."""
        parameters = [("recurse", "")] if recurse else []
        parameters += [] if cas is None else [("cas", str(cas))]
        path = f"kv/{key.removeprefix('/')}"
        return decode(self._transport.request("DELETE", path, parameters).require_ok().body, bool)

    def _entries(self, key: str, query: Query | None, *parameters: tuple[str, str]) -> Answer[Entries]:
        response = self._get(f"kv/{key.removeprefix('/')}", query, *parameters)
        if response.status == 404:
            return Answer([], response.headers)
        return Answer(decode_list(response.require_ok().body, KVEntry), response.headers)
