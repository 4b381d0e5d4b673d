"""`muster operator autopilot set-config`"""

from typing import Any

from muster.cli.command import Command, Invocation
from muster.cli.flags import OPTIONAL_DURATION, OPTIONAL_SWITCH, OPTIONAL_TEXT, OPTIONAL_UINT, Flag

_SWITCHES = ("cleanup-dead-servers", "disable-upgrade-migration")
_NUMBERS = ("max-trailing-logs", "min-quorum")
_DURATIONS = ("last-contact-threshold", "server-stabilization-time")
_TEXTS = ("redundancy-zone-tag", "upgrade-version-tag")


def run(invocation: Invocation) -> int:
    from msgspec.structs import replace

    from muster.client.errors import ClientError

    client = invocation.client()
    try:
        configuration = client.operator.autopilot_configuration()
    except ClientError as error:
        return invocation.refuse(f"Error querying Autopilot configuration: {error}")
    changed = replace(configuration, **_changes(invocation))
    try:
        done = client.operator.set_autopilot_configuration(changed, cas=True)
    except ClientError as error:
        return invocation.refuse(f"Error setting Autopilot configuration: {error}")
    if not done:
        invocation.out("Configuration could not be atomically updated, please try again")
        return 1
    invocation.out("Configuration updated!")
    return 0


def _changes(invocation: Invocation) -> dict[str, Any]:
    """The fields that the given flags set."""
    from muster.model.durations import format_duration

    changes: dict[str, Any] = {}
    for names, value in (
        (_SWITCHES, invocation.switch),
        (_NUMBERS, invocation.number),
        (_DURATIONS, lambda name: format_duration(invocation.number(name))),
        (_TEXTS, invocation.text),
    ):
        changes |= {name.replace("-", "_"): value(name) for name in names if invocation.given(name)}
    return changes


COMMAND = Command(
    usage="operator autopilot set-config [options]",
    description="Changes how the leader looks after the set of servers; what is not named stays.",
    run=run,
    flags=(
        Flag("cleanup-dead-servers", OPTIONAL_SWITCH, "Whether dead servers are removed when new ones come.", "true|false"),
        Flag("disable-upgrade-migration", OPTIONAL_SWITCH, "Kept for Consul's enterprise edition.", "true|false"),
        Flag("last-contact-threshold", OPTIONAL_DURATION, "How long a healthy server may be without contact to the leader.", "200ms"),
        Flag("max-trailing-logs", OPTIONAL_UINT, "How many log entries a healthy server may be behind the leader."),
        Flag("min-quorum", OPTIONAL_UINT, "How many servers there must be before dead ones are removed."),
        Flag("redundancy-zone-tag", OPTIONAL_TEXT, "Kept for Consul's enterprise edition."),
        Flag("server-stabilization-time", OPTIONAL_DURATION, "How long a new server must be healthy before it votes.", "10s"),
        Flag("upgrade-version-tag", OPTIONAL_TEXT, "Kept for Consul's enterprise edition."),
    ),
    asks_servers=True,
    unconnected="Error initializing client: ",
)
