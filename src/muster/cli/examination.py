"""What `doctor` looks at: an agent, the members of its pools, their ports and clocks. Whatever cannot be asked is left out."""

import http.client
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from muster.cli.diagnosis import ALIVE, Facts, Flapping, Port, is_server
from muster.client.client import Client
from muster.client.errors import ClientError, RequestFailed
from muster.client.records import Member, RaftConfiguration

T = TypeVar("T")
PATIENCE = 2.0  # seconds for one port to answer
AT_ONCE = 32  # ports
MOST_CLIENTS = 100  # client agents whose ports are tried; all servers' are
HISTORY = "1h"


class _CheckHistory(Struct):
    """What is used of an entry of `/v1/muster/health/history`."""

    node: str = field(name="Node")
    check_id: str = field(name="CheckID")
    flaps: int = field(name="Flaps", default=0)


def examine(client: Client) -> Facts:
    """All that can be seen from here. `ClientError` only if the agent itself does not answer."""
    before = time.time()
    response = client.transport.request("GET", "status/leader", [("stale", "")])
    skews = {"the asked agent": _skew(response.headers.get("date", ""), before)}
    agent = client.agent.self()
    members = client.agent.members()
    wan = _tried(lambda: client.agent.members(wan=True)) or []
    own = str(agent.config.get("Datacenter", ""))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        silent = [port for port in pool.map(_silent, _ports(members, wan, own)) if port is not None]
        servers = [member for member in members if is_server(member) and member.status == ALIVE]
        clocks = pool.map(lambda member: _clock_of(member, client), servers)
        skews |= {member.name: skew for member, skew in zip(servers, clocks, strict=True) if skew is not None}
    return Facts(
        agent=agent,
        members=members,
        wan=wan,
        leader=msgspec.json.decode(response.body, type=str) if response.status == 200 else "",
        raft=_tried(lambda: _raft(client)),
        health=_tried(client.operator.autopilot_health),
        keyrings=_tried(client.operator.keyring),
        silent_ports=silent,
        skews={name: skew for name, skew in skews.items() if skew is not None},
        flapping=_tried(lambda: _flapping(client)),
        unreachable=_unreachable(client, own),
    )


def _tried(ask: Callable[[], T]) -> T | None:
    """The answer, or None where there is none."""
    try:
        return ask()
    except ClientError:
        return None


def _raft(client: Client) -> RaftConfiguration:
    """Also of a server that knows no leader."""
    response = client.transport.request("GET", "operator/raft/configuration", [("stale", "")]).require_ok()
    return msgspec.json.decode(response.body, type=RaftConfiguration)


def _flapping(client: Client) -> list[Flapping]:
    response = client.transport.request("GET", "muster/health/history", [("since", HISTORY)]).require_ok()
    found = msgspec.json.decode(response.body, type=list[_CheckHistory])
    return [Flapping(one.node, one.check_id, one.flaps) for one in found]


def _unreachable(client: Client, own: str) -> dict[str, str]:
    """Other datacenters that do not answer."""
    found = {}
    for name in _tried(client.catalog.datacenters) or []:
        if name == own:
            continue
        try:
            client.transport.request("GET", "status/leader", [("dc", name)]).require_ok()
        except RequestFailed as error:
            found[name] = error.text
        except ClientError as error:
            found[name] = str(error)
    return found


def _ports(members: list[Member], wan: list[Member], own: str) -> list[tuple[str, str, tuple[str, int]]]:
    """Member, purpose and address of each port that must answer."""
    alive = [member for member in members if member.status == ALIVE]
    servers = [member for member in alive if is_server(member)]
    clients = [member for member in alive if not is_server(member)][:MOST_CLIENTS]
    ports = [(member.name, "gossip", (member.addr, member.port)) for member in (*servers, *clients)]
    away = [member for member in wan if member.status == ALIVE and member.tags.get("dc") != own]
    ports += [(member.name, "gossip between datacenters", (member.addr, member.port)) for member in away]
    for member in (*servers, *away):
        port = member.tags.get("port", "")
        if port.isdigit():
            ports.append((member.name, "RPC", (member.addr, int(port))))
    return ports


def _silent(port: tuple[str, str, tuple[str, int]]) -> Port | None:
    """The port with what is wrong, if it does not answer."""
    member, purpose, address = port
    try:
        socket.create_connection(address, timeout=PATIENCE).close()
    except OSError as error:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return Port(member, purpose, f"{host}:{address[1]}", error.strerror.lower() if error.strerror else "no answer")
    return None


def _clock_of(member: Member, client: Client) -> float | None:
    """The skew of a server whose HTTP API can be asked from here at the usual port; None of all others."""
    before = time.time()
    connection = http.client.HTTPConnection(member.addr, _http_port(client), timeout=PATIENCE)
    try:
        connection.request("GET", "/v1/status/leader?stale")
        return _skew(connection.getresponse().headers.get("Date", ""), before)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _http_port(client: Client) -> int:
    """The port of the asked agent: servers of one datacenter mostly have the same."""
    text = str(client.settings.address).rpartition(":")[2]
    return int(text) if text.isdigit() else 8500


def _skew(date: Any, before: float) -> float | None:
    """Seconds by which a clock that told this date is ahead; it was asked at `before` of this host's."""
    try:
        told = parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
    now = time.time()
    earliest, latest = told - now, told + 1.0 - before  # it told whole seconds, sometime between then and now
    return earliest if earliest > 0 else latest if latest < 0 else 0.0
