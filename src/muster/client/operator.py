"""Tools for operators: Raft's configuration, Autopilot, the gossip keys."""

import msgspec

from muster.client.base import Endpoints, decode
from muster.client.records import AutopilotConfiguration, KeyringAnswer, OperatorHealth, RaftConfiguration


class Operator(Endpoints):
    """Calls that look after the servers."""

    def raft_configuration(self) -> RaftConfiguration:
        """The servers that agree on the log."""
        return self._read("operator/raft/configuration", RaftConfiguration, None).value

    def remove_raft_peer(self, *, address: str = "", id: str = "") -> None:  # noqa: A002
        """Removes a server, named by address or by id, from the Raft configuration."""
        parameters = [(name, value) for name, value in (("address", address), ("id", id)) if value]
        self._transport.request("DELETE", "operator/raft/peer", parameters).require_ok()

    def autopilot_configuration(self) -> AutopilotConfiguration:
        return self._read("operator/autopilot/configuration", AutopilotConfiguration, None).value

    def set_autopilot_configuration(self, configuration: AutopilotConfiguration, *, cas: bool = False) -> bool:
        """Replaces the configuration; with `cas` only if its modify index is still that of the given one."""
        parameters = [("cas", str(configuration.modify_index))] if cas else []
        return decode(self._put("operator/autopilot/configuration", parameters, configuration).body, bool)

    def autopilot_health(self) -> OperatorHealth:
        """How the servers do; an unhealthy set is an answer too, not an error."""
        response = self._get("operator/autopilot/health", None)
        return decode(response.body if response.status == 429 else response.require_ok().body, OperatorHealth)

    def keyring(self, *, relay_factor: int = 0, local_only: bool = False) -> list[KeyringAnswer]:
        """The gossip keys of every pool."""
        parameters = [("relay-factor", str(relay_factor))] if relay_factor else []
        parameters += [("local-only", "true")] if local_only else []
        return self._read_list("operator/keyring", KeyringAnswer, None, *parameters).value

    def install_key(self, key: str, *, relay_factor: int = 0) -> None:
        self._change_key("POST", key, relay_factor)

    def use_key(self, key: str, *, relay_factor: int = 0) -> None:
        self._change_key("PUT", key, relay_factor)

    def remove_key(self, key: str, *, relay_factor: int = 0) -> None:
        self._change_key("DELETE", key, relay_factor)

    def _change_key(self, method: str, key: str, relay_factor: int) -> None:
        parameters = [("relay-factor", str(relay_factor))] if relay_factor else []
        self._transport.request(method, "operator/keyring", parameters, msgspec.json.encode({"Key": key})).require_ok()
