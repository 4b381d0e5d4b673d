"""`muster services register`"""

from typing import Any

from muster.cli.command import Command, Invocation
from muster.cli.connection_flags import NAMESPACE
from muster.cli.flags import INT, LIST, PAIRS, TEXT, Flag


def run(invocation: Invocation) -> int:
    from muster.cli.service_files import InvalidServiceFile, services
    from muster.client.errors import ClientError

    name, files = invocation.text("name"), invocation.arguments
    if not name and not files:
        return invocation.refuse("Service registration requires at least one argument or flags.")
    if name and files:
        return invocation.refuse("Service registration requires arguments or -id, not both.")
    try:
        definitions = services(files) if files else [_from_flags(invocation)]
    except InvalidServiceFile as error:
        return invocation.refuse(f"Error: {error}")
    except ValueError as error:
        return invocation.refuse(f"Invalid Tagged Address: {error}")
    agent = invocation.client().agent
    for definition in definitions:
        try:
            agent.register_service(definition)
        except ClientError as error:
            return invocation.refuse(f'Error registering service "{definition.get("Name", "")}": {error}')
        invocation.out(f"Registered service: {definition.get('Name', '')}")
    return 0


def _from_flags(invocation: Invocation) -> dict[str, Any]:
    """The definition that the flags give; `ValueError` for a tagged address without a good port."""
    addresses = {tag: _address(text) for tag, text in invocation.pairs("tagged-address").items()}
    named: dict[str, Any] = {
        "Kind": invocation.text("kind"),
        "ID": invocation.text("id"),
        "Name": invocation.text("name"),
        "Tags": invocation.texts("tag"),
        "Port": invocation.number("port"),
        "Address": invocation.text("address"),
        "TaggedAddresses": addresses,
        "Meta": invocation.pairs("meta"),
    }
    return {name: value for name, value in named.items() if value}


def _address(text: str) -> dict[str, Any]:
    host, separator, port = text.rpartition(":")
    if not separator:
        raise ValueError(f"address {text}: missing port in address")
    if not (port.isascii() and port.isdigit()):
        raise ValueError(f'strconv.Atoi: parsing "{port}": invalid syntax')
    return {"Address": host.removeprefix("[").removesuffix("]"), "Port": int(port)}


COMMAND = Command(
    usage="services register [options] [FILE...]",
    description="""
Registers services with the asked agent, as configuration files (HCL or JSON) or as the flags say. Whoever registers a service
must also remove it, with "muster services deregister".

    $ muster services register web.json
    $ muster services register -name=web -port=80
""",
    run=run,
    flags=(
        Flag("address", TEXT, "The service's address, if it is not the agent's."),
        Flag("id", TEXT, "The service's id; by default its name."),
        Flag("kind", TEXT, "The service's kind."),
        Flag("meta", PAIRS, "Metadata as key=value. May be given several times."),
        Flag("name", TEXT, "The service's name."),
        NAMESPACE,
        Flag("port", INT, "The service's port."),
        Flag("tag", LIST, "A tag. May be given several times."),
        Flag("tagged-address", PAIRS, "An address under a tag, as tag=address:port. May be given several times."),
    ),
    asks_servers=True,
)
