"""User events: short messages to all agents of a datacenter."""

from muster.client.base import Endpoints, decode
from muster.client.queries import Answer, Query
from muster.client.records import UserEvent


class Events(Endpoints):
    """Fires and lists events."""

    def fire(self, name: str, payload: bytes = b"", *, node: str = "", service: str = "", tag: str = "") -> str:
        """The id of the fired event. The filters are regular expressions that receivers match themselves against."""
        filters = (("node", node), ("service", service), ("tag", tag))
        parameters = [(key, value) for key, value in filters if value]
        answer = self._transport.request("PUT", f"event/fire/{name}", parameters, payload or None).require_ok()
        return decode(answer.body, UserEvent).id

    def list(self, name: str = "", query: Query | None = None) -> Answer["list[UserEvent]"]:
        """The newest events (of a name) that the agent has seen, oldest first. The index is made of the last one's id."""
        parameters = [("name", name)] if name else []
        return self._read_list("event/list", UserEvent, query, *parameters)
