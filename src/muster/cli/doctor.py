"""`muster doctor`"""

import json

from muster.cli.command import Command, Invocation
from muster.cli.flags import SWITCH, Flag

PROBLEMS_FOUND = 2  # exit status


def run(invocation: Invocation) -> int:
    from muster.cli.diagnosis import PROBLEM, findings
    from muster.cli.examination import examine
    from muster.client.errors import ClientError

    try:
        facts = examine(invocation.client())
    except ClientError as error:
        return invocation.refuse(f"The agent does not answer: {error}\n    Start it, or name another one: -http-addr=<address>")
    found = findings(facts)
    if invocation.switch("json"):
        invocation.out(json.dumps([one._asdict() for one in found], indent=2))
    else:
        for one in found:
            invocation.out(f"{one.level}: {one.what}\n    {one.remedy}")
        problems = sum(one.level == PROBLEM for one in found)
        invocation.out(f"{len(facts.members)} members looked at: {problems} problem(s), {len(found) - problems} warning(s)")
    return PROBLEMS_FOUND if any(one.level == PROBLEM for one in found) else 0


COMMAND = Command(
    usage="doctor [options]",
    description="""
Looks at an agent and its pool, and says of what is wrong, or soon will be, what to do: servers without a quorum or a leader,
failed members, ids that two agents share, ports that do not answer from here, clocks that differ, old or missing gossip keys,
other datacenters that do not answer, checks that flap.

Run it on a server: clients know less. The exit status is 2 when there are problems.
""",
    run=run,
    flags=(Flag("json", SWITCH, "Print the findings as JSON."),),
)
