"""`muster services deregister`"""

from muster.cli.command import Command, Invocation
from muster.cli.connection_flags import NAMESPACE
from muster.cli.flags import TEXT, Flag


def run(invocation: Invocation) -> int:
    from muster.cli.service_files import InvalidServiceFile, services
    from muster.client.errors import ClientError

    service_id, files = invocation.text("id"), invocation.arguments
    if not service_id and not files:
        return invocation.refuse("Service deregistration requires at least one argument or -id.")
    if service_id and files:
        return invocation.refuse("Service deregistration requires arguments or -id, not both.")
    try:
        definitions = services(files) if files else [{"ID": service_id}]
    except InvalidServiceFile as error:
        return invocation.refuse(f"Error: {error}")
    agent = invocation.client().agent
    for definition in definitions:
        name = definition.get("Name", "")
        wanted = definition.get("ID") or name
        try:
            agent.deregister_service(wanted)
        except ClientError as error:
            return invocation.refuse(f'Error registering service "{name}": {error}')
        invocation.out(f"Deregistered service: {wanted}")
    return 0


COMMAND = Command(
    usage="services deregister [options] [FILE...]",
    description="""
Removes services from the agent that they are registered with, by the files that they were registered from or by id.

    $ muster services deregister web.json db.json
    $ muster services deregister -id=web
""",
    run=run,
    flags=(Flag("id", TEXT, "The id of the service; not together with files."), NAMESPACE),
    asks_servers=True,
)
