"""Operator: the servers themselves."""

import asyncio
import logging
from typing import Any

from msgspec import Struct, field

from muster.model.errors import MusterError, Rejected
from muster.model.operator import AutopilotConfig
from muster.raft.membership import Member
from muster.server.context import Context
from muster.server.health import OperatorHealthReply
from muster.server.methods import Methods, PlainRead, Write
from muster.wire.commands import AutopilotRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, RaftRemovePeerRequest

UNKNOWN_NODE = "(unknown)"
UNKNOWN_PROTOCOL = "unknown"

logger = logging.getLogger("muster.server")


class RaftServer(Struct, frozen=True, kw_only=True):
    """One server of the Raft configuration."""

    id: str = field(name="ID")
    node: str = field(name="Node")
    address: str = field(name="Address")
    leader: bool = field(name="Leader")
    protocol_version: str = field(name="ProtocolVersion")
    voter: bool = field(name="Voter")


class RaftConfiguration(Struct, frozen=True, kw_only=True):
    """Who takes part, and the index of the log entry that says so."""

    servers: list[RaftServer] = field(name="Servers")
    index: int = field(name="Index")


def raft_get_configuration(context: Context, _request: DatacenterRequest) -> RaftConfiguration:
    """All servers of the Raft configuration, with the names under which the pool knows their addresses."""
    consensus = context.consensus
    configuration, leader = consensus.configuration, consensus.leader_address()
    servers = []
    for member in configuration.members:
        peer = context.servers.at(member.address)
        servers.append(
            RaftServer(
                id=member.identity,
                node=peer.name if peer is not None else UNKNOWN_NODE,
                address=member.address,
                leader=member.address == leader,
                protocol_version=str(peer.raft_version) if peer is not None else UNKNOWN_PROTOCOL,
                voter=configuration.is_voter(member.identity),
            )
        )
    return RaftConfiguration(servers=servers, index=consensus.configuration_index)


def raft_remove_peer_by_address(context: Context, request: RaftRemovePeerRequest) -> "asyncio.Future[Reply]":
    """Removes a server that will not come back."""
    found = [member for member in context.consensus.configuration.members if member.address == request.address]
    if not found:
        raise Rejected(f'address "{request.address}" was not found in the Raft configuration')
    return _remove(context, found[0])


def raft_remove_peer_by_id(context: Context, request: RaftRemovePeerRequest) -> "asyncio.Future[Reply]":
    """Removes a server that will not come back."""
    found = context.consensus.configuration.member(request.id)
    if found is None:
        raise Rejected(f'id "{request.id}" was not found in the Raft configuration')
    return _remove(context, found)


def _remove(context: Context, member: Member) -> "asyncio.Future[Reply]":
    if context.consensus.configuration.voters() == [member.identity]:
        raise Rejected("Need at least one voter in configuration: {[]}")
    return asyncio.get_running_loop().create_task(_removed(context, member))


async def _removed(context: Context, member: Member) -> Reply:
    await context.membership.remove(member.identity)
    logger.warning("Removed Raft peer: peer=%s address=%s", member.identity, member.address)
    return Reply(value=None)


def autopilot_get_configuration(context: Context, _request: DatacenterRequest) -> AutopilotConfig:
    """How the leader looks after the servers."""
    _, config = context.store.autopilot.get()
    if config is None:
        raise MusterError("autopilot config not initialized yet")
    return config


def autopilot_set_configuration(context: Context, request: AutopilotRequest) -> "asyncio.Future[Reply]":
    """Changes it; the reply is whether it was changed."""
    return context.commit(request)


def server_health(context: Context, _request: Any) -> OperatorHealthReply:
    """The result of the last health round."""
    return context.health.reply


METHODS: Methods = {
    "Operator.RaftGetConfiguration": PlainRead(raft_get_configuration),
    "Operator.RaftRemovePeerByAddress": Write(raft_remove_peer_by_address),
    "Operator.RaftRemovePeerByID": Write(raft_remove_peer_by_id),
    "Operator.AutopilotGetConfiguration": PlainRead(autopilot_get_configuration),
    "Operator.AutopilotSetConfiguration": Write(autopilot_set_configuration),
    "Operator.ServerHealth": PlainRead(server_health, leader_only=True),
}
