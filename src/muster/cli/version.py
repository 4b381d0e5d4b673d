"""`muster version`"""

from muster import CONSUL_VERSION, __version__
from muster.cli.command import Command, Invocation
from muster.cli.flags import TEXT, Flag

PROTOCOL_DEFAULT, PROTOCOL_LOWEST, PROTOCOL_HIGHEST = 2, 2, 3
"""The versions of the agents' protocol, as Consul 1.8 numbers them."""


def run(invocation: Invocation) -> int:
    match invocation.text("format"):
        case "pretty":
            invocation.out(pretty())
        case "json":
            invocation.out(as_json())
        case other:
            return invocation.refuse(f"Unknown format: {other}")
    return 0


def pretty() -> str:
    return (
        f"Muster v{__version__}\n"
        f"Protocol {PROTOCOL_DEFAULT} spoken by default, understands {PROTOCOL_LOWEST} to {PROTOCOL_HIGHEST} "
        f"(agent will automatically use protocol >{PROTOCOL_DEFAULT} when speaking to compatible agents)\n"
        f"Compatible with Consul {CONSUL_VERSION}"
    )


def as_json() -> str:
    import json

    rpc = {"Default": PROTOCOL_DEFAULT, "Min": PROTOCOL_LOWEST, "Max": PROTOCOL_HIGHEST}
    document = {"Version": __version__, "Revision": "", "Prerelease": "", "RPC": rpc, "ConsulVersion": CONSUL_VERSION}
    return json.dumps(document, indent=3)


COMMAND = Command(
    usage="version [options]",
    description="Shows the version of Muster, the protocol it speaks, and the release of Consul whose behaviour it has.",
    run=run,
    flags=(Flag("format", TEXT, "How to write it: pretty or json.", default="pretty"),),
    speaks_http=False,
)
