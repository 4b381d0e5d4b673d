"""`muster keyring`"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from muster.cli.command import Command, Invocation
from muster.cli.flags import INT, SWITCH, TEXT, Flag

if TYPE_CHECKING:
    from muster.client.operator import Operator
    from muster.client.records import KeyringAnswer

LARGEST_RELAY_FACTOR = 5


def run(invocation: Invocation) -> int:
    changes = [name for name in ("install", "use", "remove") if invocation.text(name)]
    lists = [name for name in ("list", "list-primary") if invocation.switch(name)]
    if not changes and not lists:
        return invocation.refuse(invocation.command.help())
    if len(changes) + len(lists) > 1:
        return invocation.refuse("Only a single action is allowed")
    relay_factor = invocation.number("relay-factor")
    if not 0 <= relay_factor <= LARGEST_RELAY_FACTOR:
        return invocation.refuse(f"Error parsing relay factor: Relay factor must be in range: [0, {LARGEST_RELAY_FACTOR}]")
    if invocation.switch("local-only") and changes:
        return invocation.refuse("Error validating local-only: local-only can only be set for list requests")
    operator = invocation.client().operator
    return _list(invocation, operator, lists[0]) if lists else _change(invocation, operator, changes[0])


def _list(invocation: Invocation, operator: "Operator", what: str) -> int:
    from muster.client.errors import ClientError

    primary = what == "list-primary"
    invocation.out(f"==> Gathering installed {'primary ' if primary else ''}encryption keys...")
    try:
        answers = operator.keyring(relay_factor=invocation.number("relay-factor"), local_only=invocation.switch("local-only"))
    except ClientError as error:
        return invocation.refuse(f"error: {error}")
    for answer in answers:
        invocation.out()
        invocation.out(_pool(answer) + ":")
        for member, message in sorted((answer.messages or {}).items()):
            invocation.out(f"  ===> {member}: {message}")
        for key, holders in sorted(((answer.primary_keys if primary else answer.keys) or {}).items()):
            invocation.out(f"  {key} [{holders}/{answer.num_nodes}]")
    return 0


def _pool(answer: "KeyringAnswer") -> str:
    if answer.wan:
        return "WAN"
    segment = f" [{answer.segment}]" if answer.segment else ""
    return f"{answer.datacenter} (LAN){segment}"


def _change(invocation: Invocation, operator: "Operator", action: str) -> int:
    from muster.client.errors import ClientError

    announcements: dict[str, tuple[str, Callable[..., None]]] = {
        "install": ("==> Installing new gossip encryption key...", operator.install_key),
        "use": ("==> Changing primary gossip encryption key...", operator.use_key),
        "remove": ("==> Removing gossip encryption key...", operator.remove_key),
    }
    said, change = announcements[action]
    invocation.out(said)
    try:
        change(invocation.text(action), relay_factor=invocation.number("relay-factor"))
    except ClientError as error:
        return invocation.refuse(f"error: {error}")
    return 0


COMMAND = Command(
    usage="keyring [options]",
    description="""
Looks at the keys that encrypt gossip, and changes them at every member of both pools of a datacenter, without a cut: install a new
key, use it, remove the old one. The asked agent must be a server.

The exit status is 0 if every member answered and did as it was told.
""",
    run=run,
    flags=(
        Flag("install", TEXT, "Give this new key to all members."),
        Flag("list", SWITCH, "List all keys and on how many members each is."),
        Flag("list-primary", SWITCH, "List the keys that members encrypt with."),
        Flag("local-only", SWITCH, "Ask the local datacenter's pool alone. Only with -list and -list-primary."),
        Flag("relay-factor", INT, "Let members send their answers through this many others too, at most 5."),
        Flag("remove", TEXT, "Remove this key, which must not be the one that members encrypt with."),
        Flag("use", TEXT, "Encrypt with this key, which must be installed."),
    ),
)
