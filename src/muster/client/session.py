"""Sessions: leases on which locks hang."""

from msgspec import Struct, field

from muster.client.base import Endpoints, decode, decode_list
from muster.client.queries import Answer, Query
from muster.model.sessions import Session


class _Created(Struct):
    id: str = field(name="ID")


class Sessions(Endpoints):
    """Makes, renews and ends sessions."""

    def create(
        self,
        *,
        name: str = "",
        node: str = "",
        ttl: str = "",
        behavior: str = "",
        lock_delay: str = "",
        node_checks: list[str] | None = None,
    ) -> str:
        """The id of a new session of the agent's node. `ttl` and `lock_delay` are duration texts."""
        named = {"Name": name, "Node": node, "TTL": ttl, "Behavior": behavior, "LockDelay": lock_delay, "NodeChecks": node_checks}
        document = {key: value for key, value in named.items() if value or isinstance(value, list)}
        return decode(self._put("session/create", (), document).body, _Created).id

    def renew(self, session_id: str) -> Session | None:
        """The session with its time to live begun anew, or None if it is no more."""
        response = self._transport.request("PUT", f"session/renew/{session_id}")
        if response.status == 404:
            return None
        found = decode_list(response.require_ok().body, Session)
        return found[0] if found else None

    def destroy(self, session_id: str) -> None:
        """Ends the session and lets go of its locks; one that is no more is no error."""
        self._put(f"session/destroy/{session_id}")

    def info(self, session_id: str, query: Query | None = None) -> Answer[Session | None]:
        """The session, or None if it is no more."""
        return self._read_list(f"session/info/{session_id}", Session, query).map(lambda found: found[0] if found else None)

    def node(self, node: str, query: Query | None = None) -> Answer[list[Session]]:
        """The sessions of a node."""
        return self._read_list(f"session/node/{node}", Session, query)

    def list(self, query: Query | None = None) -> Answer["list[Session]"]:
        """All sessions of the datacenter."""
        return self._read_list("session/list", Session, query)
