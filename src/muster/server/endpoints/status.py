"""Status: about consensus, from any server and without a leader."""

from typing import Any

from msgspec import Struct, field

from muster.model.durations import SECOND, format_duration
from muster.server.context import Context
from muster.server.health import NEVER
from muster.server.methods import Local, Methods
from muster.server.replication import Replication


class RaftStats(Struct, frozen=True, kw_only=True):
    """`last_contact`: "0" on the leader, "never", or a duration text."""

    last_contact: str = field(name="LastContact")
    last_index: int = field(name="LastIndex")
    last_term: int = field(name="LastTerm")


def ping(_context: Context, _request: Any) -> None:
    """The server is there."""


def leader(context: Context, _request: Any) -> str:
    """The leader's "ip:port", or an empty text."""
    return context.consensus.leader_address()


def peers(context: Context, _request: Any) -> list[str]:
    """The "ip:port" of all servers, those that do not vote included; none before there is a configuration."""
    return [member.address for member in context.consensus.configuration.members]


def raft_stats(context: Context, _request: Any) -> RaftStats:
    """How far this server's log is, and when it last heard from a leader.

    A server whose disk does not work says never, which every leader, Consul's too, takes for unhealthy.
    """
    consensus = context.consensus
    contact = NEVER if consensus.disk_fault else last_contact(consensus)
    return RaftStats(last_contact=contact, last_index=consensus.last_index, last_term=consensus.term)


def last_contact(consensus: Replication) -> str:
    """The time since a leader was heard as the peers tell it."""
    if consensus.is_leader():
        return "0"
    age = consensus.last_contact()
    return NEVER if age is None else format_duration(int(age * SECOND))


METHODS: Methods = {
    "Status.Ping": Local(ping),
    "Status.Leader": Local(leader),
    "Status.Peers": Local(peers),
    "Status.RaftStats": Local(raft_stats),
}
