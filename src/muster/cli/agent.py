"""`muster agent`"""

from muster.agent.config.flags import AGENT_FLAGS
from muster.cli.command import Command, Invocation
from muster.cli.flags import LIST, OPTIONAL_DURATION, OPTIONAL_INT, OPTIONAL_SWITCH, OPTIONAL_TEXT, Flag

_KINDS = {"bool": OPTIONAL_SWITCH, "int": OPTIONAL_INT, "text": OPTIONAL_TEXT, "duration": OPTIONAL_DURATION, "list": LIST}
"""The kinds of the configuration's table. What is not given is not set, so that files can say it."""


def run(invocation: Invocation) -> int:
    if invocation.arguments:
        return invocation.refuse(f"==> Unexpected extra arguments: [{' '.join(invocation.arguments)}]")
    from muster.program import run as run_agent

    return run_agent(invocation.given_values())


COMMAND = Command(
    usage="agent [options]",
    description="Runs the agent of this host until it is interrupted.",
    run=run,
    flags=tuple(Flag(flag.name, _KINDS[flag.kind], flag.help) for flag in AGENT_FLAGS),
    speaks_http=False,
)
