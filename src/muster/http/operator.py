"""/v1/operator: Raft's configuration and Autopilot."""

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from muster.http import bodies
from muster.http.answers import json_answer, nothing, then, truth
from muster.http.bodies import WrongBody
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import parse_unsigned, read_options, write_target
from muster.http.routing import Context
from muster.model.durations import InvalidDuration, format_duration
from muster.model.errors import BadRequest
from muster.model.operator import AutopilotConfig
from muster.wire.commands import AutopilotRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, RaftRemovePeerRequest
from muster.wire.times import Timestamp

TOO_MANY_REQUESTS = 429  # what an unhealthy set of servers answers with


def bad(message: str) -> BadRequest:
    """These endpoints put their complaints so."""
    return BadRequest(f"Bad request: {message}")


def raft_configuration(request: Request, context: Context) -> Outcome:
    """GET: the servers of the log."""
    question = DatacenterRequest(**read_options(request, context))
    return then(context.agent.call("Operator.RaftGetConfiguration", question), _raft_configuration, request, context)


def _raft_configuration(reply: Reply, request: Request, context: Context) -> Response:
    servers = [
        {
            "ID": one.id,
            "Node": one.node,
            "Address": one.address,
            "Leader": one.leader,
            "ProtocolVersion": one.protocol_version,
            "Voter": one.voter,
        }
        for one in reply.value.servers
    ]
    return json_answer({"Servers": servers, "Index": reply.value.index}, request, context)


def remove_peer(request: Request, context: Context) -> Outcome:
    """DELETE: takes a server out of the log's configuration, by id or by address."""
    target = write_target(request, context)
    identifier, address = request.query.first("id"), request.query.first("address")
    if not identifier and not address:
        raise bad("Must specify either ?id with the server's ID or ?address with IP:port of peer to remove")
    if identifier and address:
        raise bad("Must specify only one of ?id or ?address")
    method = "Operator.RaftRemovePeerByID" if identifier else "Operator.RaftRemovePeerByAddress"
    return then(context.agent.call(method, RaftRemovePeerRequest(id=identifier, address=address, **target)), nothing)


def autopilot(request: Request, context: Context) -> Outcome:
    """GET: Autopilot's configuration."""
    question = DatacenterRequest(**read_options(request, context))
    return then(context.agent.call("Operator.AutopilotGetConfiguration", question), _autopilot, request, context)


def _autopilot(reply: Reply, request: Request, context: Context) -> Response:
    config: AutopilotConfig = reply.value
    shown = {
        "CleanupDeadServers": config.cleanup_dead_servers,
        "LastContactThreshold": format_duration(config.last_contact_threshold),
        "MaxTrailingLogs": config.max_trailing_logs,
        "MinQuorum": config.min_quorum,
        "ServerStabilizationTime": format_duration(config.server_stabilization_time),
        "RedundancyZoneTag": config.redundancy_zone_tag,
        "DisableUpgradeMigration": config.disable_upgrade_migration,
        "UpgradeVersionTag": config.upgrade_version_tag,
        "CreateIndex": config.create_index,
        "ModifyIndex": config.modify_index,
    }
    return json_answer(shown, request, context)


def set_autopilot(request: Request, context: Context) -> Outcome:
    """PUT: a new configuration, with `cas` only if the index is the current one. What the body leaves out becomes zero."""
    target = write_target(request, context)
    try:
        config = bodies.from_json(AutopilotConfig, bodies.read_json(request.body))
    except (WrongBody, InvalidDuration) as error:
        raise bad(f"Error parsing autopilot config: {error}") from error
    compare = "cas" in request.query
    if compare:
        try:
            config = replace(config, modify_index=parse_unsigned(request.query.first("cas")))
        except BadRequest as error:
            raise bad(f"Error parsing cas value: {error}") from error
    return then(
        context.agent.call("Operator.AutopilotSetConfiguration", AutopilotRequest(config=config, cas=compare, **target)),
        truth,
        request,
        context,
    )


def health(request: Request, context: Context) -> Outcome:
    """GET: how the servers do; 429 if one is unhealthy."""
    question = DatacenterRequest(**read_options(request, context))
    return then(context.agent.call("Operator.ServerHealth", question), _health, request, context)


def _health(reply: Reply, request: Request, context: Context) -> Response:
    found = reply.value
    shown = {"Healthy": found.healthy, "FailureTolerance": found.failure_tolerance, "Servers": _servers(found.servers)}
    return json_answer(shown, request, context, status=200 if found.healthy else TOO_MANY_REQUESTS)


def _servers(rows: Any) -> list[Any] | None:
    """Null before the first round of looking at them."""
    return None if rows is None else [_server(row) for row in rows]


def _server(one: Any) -> dict[str, Any]:
    return {
        "ID": one.id,
        "Name": one.name,
        "Address": one.address,
        "SerfStatus": one.serf_status,
        "Version": one.version,
        "Leader": one.leader,
        "LastContact": one.last_contact if isinstance(one.last_contact, str) else format_duration(one.last_contact),
        "LastTerm": one.last_term,
        "LastIndex": one.last_index,
        "Healthy": one.healthy,
        "Voter": one.voter,
        "StableSince": date(one.stable_since.seconds if isinstance(one.stable_since, Timestamp) else one.stable_since),
    }


def date(seconds: float) -> str:
    """A moment as Go writes it, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
