"""`muster watch`"""

import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from muster.cli.command import Command, Invocation
from muster.cli.flags import LIST, SWITCH, TEXT, Flag, parse_boolean, quoted

if TYPE_CHECKING:
    from muster.client.client import Client
    from muster.client.watches import Change, WatchPlan

NOT_IN_COMMAND_LINE = ("connect_roots", "connect_leaf", "agent_service")
"""Types of watches that Consul's library knows and its command line refuses."""


class _Stopped(Exception):
    """A signal asked to end."""


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError
    from muster.client.watches import InvalidWatch, WatchPlan

    watch_type = invocation.text("type")
    if not watch_type:
        return invocation.refuse_with_help("Watch type must be specified")
    if watch_type in NOT_IN_COMMAND_LINE:
        return invocation.refuse(f"Type {watch_type} is not supported in the CLI tool")
    passing_only = invocation.text("passingonly")
    if passing_only and parse_boolean(passing_only) is None:
        return invocation.refuse(f"Failed to parse passingonly flag: strconv.ParseBool: parsing {quoted(passing_only)}: invalid syntax")
    try:
        plan = WatchPlan(watch_type, _parameters(invocation))
    except InvalidWatch as error:
        return invocation.refuse(str(error))
    client = invocation.client()
    try:
        client.agent.self()
    except ClientError as error:
        return invocation.refuse(f"Error querying Consul agent: {error}")
    return _until_stopped(invocation, client, plan)


def _parameters(invocation: Invocation) -> dict[str, Any]:
    """The watch's parameters as a configuration would have them."""
    named: dict[str, Any] = {name: invocation.text(name) for name in ("key", "prefix", "service", "state", "name")}
    named["tag"] = invocation.texts("tag")
    named["passingonly"] = parse_boolean(invocation.text("passingonly"))
    return {name: value for name, value in named.items() if value}


def _until_stopped(invocation: Invocation, client: "Client", plan: "WatchPlan") -> int:
    import signal

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while True:
            change = _next_change(invocation, client, plan)
            if not invocation.arguments:
                return _show(invocation, change)
            if (status := _handle(invocation, change)) is not None:
                return status
    except _Stopped:
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _next_change(invocation: Invocation, client: "Client", plan: "WatchPlan") -> "Change":
    """Asks until there is a change; errors are logged and borne."""
    from muster.client.errors import ClientError
    from muster.client.queries import Answer

    while True:
        try:
            response = client.transport.request("GET", plan.path, plan.parameters(), token=plan.token)
            index = Answer(None, response.headers).index
            if (change := plan.receive(response.status, index, response.body)) is not None:
                return change
        except ClientError as error:
            retry = plan.failed()
            now = time.time()
            moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03}Z"
            said = f"type={plan.type} error={quoted(str(error))} retry={retry:g}s"
            invocation.error(f"{moment} [ERROR] watch.watch: Watch errored: {said}")
            time.sleep(retry)


def _show(invocation: Invocation, change: "Change") -> int:
    from muster.client.go_json import dumps

    invocation.out(dumps(change.value, "    ").encode("utf-8", "replace"))
    return 0


def _handle(invocation: Invocation, change: "Change") -> int | None:
    """Runs the handler with the value on its standard input; a status to end with if it fails."""
    import subprocess

    from muster.cli.child import StartFailed, complaint, start

    environment = {"CONSUL_INDEX": str(change.index)}
    try:
        child = start(invocation.arguments, shell=invocation.switch("shell"), environment=environment, stdin=subprocess.PIPE)
    except StartFailed as error:
        return invocation.refuse(f"Error starting handler: {error}")
    with child:
        try:
            child.communicate(change.payload())
        except _Stopped:
            child.terminate()
            raise
    if failure := complaint(child.returncode):
        return invocation.refuse(f"Error executing handler: {failure}")
    return None


COMMAND = Command(
    usage="watch [options] [child...]",
    description="""
Shows a view of the data once, or, with a child process, waits for changes of it: at the start and after each change the child is
run with the new value as JSON on its standard input and its index in CONSUL_INDEX.

    $ muster watch -type=key -key=web/port
    $ muster watch -type=service -service=web -passingonly=true ./write-proxy-config
""",
    run=run,
    flags=(
        Flag("key", TEXT, "For type key: the key."),
        Flag("name", TEXT, "For type event: only events of this name."),
        Flag("passingonly", TEXT, "For type service: only instances that pass all checks. Defaults to false.", "[true|false]"),
        Flag("prefix", TEXT, "For type keyprefix: the prefix."),
        Flag("service", TEXT, "For type service: its name. For type checks: only checks of this service."),
        Flag("shell", SWITCH, "Run the child by a shell: that of the variable SHELL, or /bin/sh.", default=True),
        Flag("state", TEXT, "For type checks: only checks in this state."),
        Flag("tag", LIST, "For type service: only instances with this tag. May be given several times."),
        Flag("type", TEXT, "What to watch: key, keyprefix, services, nodes, service, checks or event."),
    ),
    asks_servers=True,
    unconnected="",
)
