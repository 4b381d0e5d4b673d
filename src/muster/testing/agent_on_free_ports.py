"""An agent that may take whatever ports are free, and knows them then."""

from msgspec.structs import replace

from muster.agent.sync import answered
from muster.model.errors import ConfigurationError
from muster.program.running import RunningAgent
from muster.wire.requests import NodeRequest


class AgentOnFreePorts(RunningAgent):
    """A RunningAgent whose ports may be 0: the configuration holds the true ones once it listens."""

    async def _open_pools(self) -> None:
        await super()._open_pools()
        ports, pools = self.config.ports, self.agent.pools
        ports = replace(ports, serf_lan=pools.lan.serf.endpoint[1])
        if pools.wan is not None:
            ports = replace(ports, serf_wan=pools.wan.serf.endpoint[1])
        self.config = self.agent.config = replace(self.config, ports=ports)

    async def _listen(self) -> None:
        await super()._listen()
        ports = self.config.ports
        if self.http is not None and self.http.ports:
            ports = replace(ports, http=self.http.ports[0])
        if self.dns is not None and self.dns.udp:
            ports = replace(ports, dns=int(self.dns.udp[0].socket.getsockname()[1]))
        self.config = self.agent.config = replace(self.config, ports=ports)  # watches ask this agent at its true port

    async def register(self) -> None:
        """Returns when there is a leader and the catalog holds this node and what runs on it.

        Raises NoLeader, or ConfigurationError if the catalog refuses a service or check.
        """
        request = NodeRequest(datacenter=self.config.datacenter, node=self.config.node_name)
        await answered(self.agent.call("Catalog.NodeServices", request))  # a consistent read waits for a leader
        synchronizer = self.agent.sync
        await synchronizer.stop()  # its task must not compare at the same time
        if await synchronizer.step(full=True) is not None:
            raise ConfigurationError("services: the catalog refuses a definition; the log of 'agent' says which and why")
        synchronizer.start()
