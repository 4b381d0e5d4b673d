"""`muster dev-cluster`"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from muster.cli.command import Command, Invocation
from muster.cli.flags import INT, LIST, SWITCH, TEXT, Flag

if TYPE_CHECKING:
    from muster.testing.cluster_layout import Place

SERVERS = 3
HIGHEST_PORT = 65535


def run(invocation: Invocation) -> int:
    from muster.model.errors import ConfigurationError

    if complaint := invocation.too_many(1):
        return invocation.refuse(complaint)
    number = invocation.arguments[0] if invocation.arguments else str(SERVERS)
    if not (number.isascii() and number.isdigit()):
        return invocation.refuse(f"{number!r} is no number of servers; {SERVERS} would be right")
    kept = invocation.text("data-dir")
    folder = Path(kept).absolute() if kept else Path(tempfile.mkdtemp(prefix="muster-dev-cluster-"))
    try:
        return _run(invocation, int(number), folder)
    except ConfigurationError as error:
        return invocation.refuse(f"==> {error}")
    except OSError as error:
        return invocation.refuse(f"==> {error}")
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def _run(invocation: Invocation, servers: int, folder: Path) -> int:
    from muster.cli.dev_cluster_agents import Agents
    from muster.testing.cluster_layout import Ports, check_free, places, write_config
    from muster.testing.forking import preload

    offset = invocation.number("port-offset")
    ports = Ports().moved(offset)
    if not 0 < min(ports.numbers()) <= max(ports.numbers()) <= HIGHEST_PORT:
        return invocation.refuse(f"==> -port-offset={offset}: ports lie between 1 and {HIGHEST_PORT}; 10000 would be right")
    found = places(servers, invocation.number("clients"), invocation.text("bind"), ports, folder)
    check_free([place.address for place in found], ports)
    for place in found:
        write_config(place, found, {"log_level": invocation.text("log-level")})
    is_coloured = not invocation.switch("no-color") and takes_colours()
    invocation.out(banner(found, folder if invocation.text("data-dir") else None))
    preload()
    return Agents(found, invocation.texts("config-file"), is_coloured).run()


def takes_colours() -> bool:
    """Whether the output is a terminal whose owner has nothing against colours (https://no-color.org)."""
    import os

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def banner(places: "list[Place]", kept: Path | None) -> str:
    """What there will be, where it listens, and what to try first."""
    first, last = places[0], places[-1]
    servers = sum(place.is_server for place in places)
    clients = f" and {_counted(len(places) - servers, 'client')}" if servers < len(places) else ""
    data = f"kept in {kept}" if kept else "removed at the end"
    address = "" if first.http_address == "127.0.0.1:8500" else f" -http-addr={first.http_address}"
    lines = [f"==> A datacenter of {_counted(servers, 'server')}{clients} on this machine; its data is {data}. Ctrl-C stops all.", ""]
    lines += [f"    {place.name}   HTTP http://{place.http_address}   DNS {place.dns_address}" for place in places]
    lines += [
        "",
        "    Try in a second terminal:",
        "",
        f"    muster members{address}",
        f"    muster operator raft list-peers{address}",
        f"    curl -X PUT -d hello http://{first.http_address}/v1/kv/greeting",
        f"    curl 'http://{last.http_address}/v1/kv/greeting?raw'",
        "",
    ]
    return "\n".join(lines)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


COMMAND = Command(
    usage="dev-cluster [options] [SERVERS]",
    description="Runs a whole datacenter on this machine until it is interrupted: three servers, or as many as are asked for, that agree "
    "by Raft and write to disk. It is for trying things out and for development, not for production.\n\n"
    "The first server has the address 127.0.0.1 and Consul's own ports, so that every command finds it without flags; the others follow "
    "at 127.0.0.2 and so on. Each line of their logs begins with the name of the agent.\n\n"
    "    $ muster dev-cluster\n"
    "    $ muster dev-cluster -clients=2 -data-dir=./cluster 5\n\n"
    "The exit status is 0 after an interrupt, and 1 if an agent ended by itself.",
    run=run,
    flags=(
        Flag("bind", TEXT, "The address of the first agent; those of the others follow it. Default is 127.0.0.1.", default="127.0.0.1"),
        Flag("clients", INT, "How many client agents run beside the servers. Default is 0."),
        Flag("config-file", LIST, "A configuration file for all agents, in addition to what the command writes for each. Repeatable."),
        Flag("data-dir", TEXT, "A folder that keeps what the agents write, for the next start. Without it all is removed at the end."),
        Flag("log-level", TEXT, "The least level that is logged: trace, debug, info, warn or err. Default is info.", default="info"),
        Flag("no-color", SWITCH, "Writes no colours. So do NO_COLOR in the environment and an output that is no terminal."),
        Flag("port-offset", INT, "A number that is added to all ports, for when Consul's own are taken. Default is 0."),
    ),
    speaks_http=False,
)
