"""The agent itself: its services, checks and members, and how it lives."""

from collections.abc import Iterator, Mapping
from typing import Any

from muster.client.base import Endpoints
from muster.client.errors import RequestFailed
from muster.client.records import AgentSelf, AgentService, HealthCheck, Member


class Agent(Endpoints):
    """Calls that concern the asked agent and no other."""

    def self(self) -> AgentSelf:
        """What the agent says about itself."""
        return self._read("agent/self", AgentSelf, None).value

    def members(self, *, wan: bool = False, segment: str = "") -> list[Member]:
        """The members of the LAN pool, or of the WAN pool."""
        parameters = [("wan", "1")] if wan else []
        parameters += [("segment", segment)] if segment else []
        return self._read_list("agent/members", Member, None, *parameters).value

    def services(self) -> dict[str, AgentService]:
        """The agent's services by id."""
        return self._read("agent/services", dict[str, AgentService], None).value

    def checks(self) -> dict[str, HealthCheck]:
        """The agent's checks by id."""
        return self._read("agent/checks", dict[str, HealthCheck], None).value

    def register_service(self, definition: Mapping[str, Any]) -> None:
        """Registers a service, written under the API's own names (`Name`, `ID`, `Tags`, `Port`, `Check`, …)."""
        self._put("agent/service/register", (), definition)

    def deregister_service(self, service_id: str) -> None:
        """Removes a service; one that is not there is no error."""
        self._put(f"agent/service/deregister/{service_id}")

    def register_check(self, definition: Mapping[str, Any]) -> None:
        """Registers a check of the node or of a service, under the API's own names."""
        self._put("agent/check/register", (), definition)

    def deregister_check(self, check_id: str) -> None:
        self._put(f"agent/check/deregister/{check_id}")

    def update_ttl(self, check_id: str, status: str, output: str = "") -> None:
        """Reports the state of a TTL check: `passing`, `warning` or `critical`."""
        self._put(f"agent/check/update/{check_id}", (), {"Status": status, "Output": output})

    def enable_node_maintenance(self, reason: str = "") -> None:
        self._put("agent/maintenance", (("enable", "true"), ("reason", reason)))

    def disable_node_maintenance(self) -> None:
        self._put("agent/maintenance", (("enable", "false"),))

    def enable_service_maintenance(self, service_id: str, reason: str = "") -> None:
        self._put(f"agent/service/maintenance/{service_id}", (("enable", "true"), ("reason", reason)))

    def disable_service_maintenance(self, service_id: str) -> None:
        self._put(f"agent/service/maintenance/{service_id}", (("enable", "false"),))

    def join(self, address: str, *, wan: bool = False) -> None:
        """Makes the agent join the pool of another agent."""
        self._put(f"agent/join/{address}", (("wan", "1"),) if wan else ())

    def leave(self) -> None:
        """Makes the agent leave its pool and end."""
        self._put("agent/leave")

    def force_leave(self, node: str, *, prune: bool = False) -> None:
        """Marks a failed member as left; with `prune` it is forgotten at once."""
        self._put(f"agent/force-leave/{node}", (("prune", "1"),) if prune else ())

    def reload(self) -> None:
        """Makes the agent read its configuration again."""
        self._put("agent/reload")

    def metrics(self) -> dict[str, Any]:
        """The agent's metrics as it keeps them."""
        return self._read("agent/metrics", dict[str, Any], None).value

    def monitor(self, level: str = "", *, json: bool = False) -> Iterator[bytes]:
        """The agent's log lines from now on, without line ends, until the agent ends or the iterator is closed."""
        parameters = [("loglevel", level)] if level else []
        parameters += [("logjson", "true")] if json else []
        with self._transport.stream("GET", "agent/monitor", parameters) as answer:
            if answer.status != 200:
                raise RequestFailed(answer.status, answer.read())
            while line := answer.readline():
                yield line.rstrip(b"\n")
