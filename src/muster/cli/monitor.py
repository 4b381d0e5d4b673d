"""`muster monitor`"""

import signal
from types import FrameType

from muster.cli.command import Command, Invocation
from muster.cli.flags import SWITCH, TEXT, Flag


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    client = invocation.client()
    lines = client.agent.monitor(invocation.text("log-level"), json=invocation.switch("log-json"))
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        for line in lines:
            invocation.out(line)
    except KeyboardInterrupt:
        return 0
    except ClientError as error:
        return invocation.refuse(f"Error starting monitor: {error}")
    finally:
        signal.signal(signal.SIGTERM, before)
    invocation.out()
    invocation.out("Remote side ended the monitor! This usually means that the\nremote side has exited or crashed.")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


COMMAND = Command(
    usage="monitor [options]",
    description="Shows the agent's log as it is written, also at levels that the agent itself does not log, until it is interrupted.",
    run=run,
    flags=(
        Flag("log-json", SWITCH, "Show the log as JSON."),
        Flag("log-level", TEXT, "The lowest level to show: trace, debug, info, warn or err.", default="INFO"),
    ),
)
