"""`muster exec`: a command on many hosts at once, by way of the key-value store and an event.

`muster.agent.remote_exec` is the other side, and says which keys there are.
"""

import base64
import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from muster.cli.command import Command, Invocation
from muster.cli.flags import DURATION, SWITCH, TEXT, Flag
from muster.model.durations import MILLISECOND, SECOND, format_duration

if TYPE_CHECKING:
    from muster.client.client import Client

EVENT = "_rexec"
SESSION_TTL = "15s"
RENEW_INTERVAL = 5.0  # seconds


class _Failed(Exception):
    """It cannot be done; the message says why."""


def run(invocation: Invocation) -> int:
    complaint = _wrong_filter(invocation)
    if not invocation.arguments:
        return invocation.refuse_with_help("Must specify a command to execute")
    if complaint:
        return invocation.refuse(complaint)
    client = invocation.client()
    try:
        return _Execution(invocation, client).run()
    except _Failed as error:
        return invocation.refuse(str(error))


def _wrong_filter(invocation: Invocation) -> str | None:
    if invocation.text("tag") and not invocation.text("service"):
        return "Cannot provide tag filter without service filter."
    for what in ("node", "service", "tag"):
        try:
            re.compile(invocation.text(what))
        except re.error as error:
            reason = "missing closing )" if "unterminated subpattern" in error.msg else error.msg
            return f"Failed to compile {what} filter regexp: error parsing regexp: {reason}: `{invocation.text(what)}`"
    return None


class _Execution:
    """One command on many hosts: announced, then followed until no host has had anything to say for a while."""

    def __init__(self, invocation: Invocation, client: "Client") -> None:
        self._invocation, self._client = invocation, client
        self._verbose = invocation.switch("verbose")
        self._wait = invocation.number("wait") / SECOND
        self._started = time.monotonic()
        self._seen: set[str] = set()
        self._acknowledged = self._ended = 0
        self._failed = False
        self._session = ""

    @property
    def _folder(self) -> str:
        return f"{self._invocation.text('prefix')}/{self._session}"

    def run(self) -> int:
        """The exit status: 2 if a host's was not 0 or did not come."""
        from muster.client.errors import ClientError

        self._session = self._create_session()
        self._tell(f"Created remote execution session: {self._session}")
        try:
            try:
                self._announce()
            except ClientError as error:
                raise _Failed(f"Failed to announce the command: {error}") from error
            try:
                self._follow()
            except ClientError as error:
                raise _Failed(f"Failed to follow the command: {error}") from error
        finally:
            self._clean_up()
        return 2 if self._failed or self._ended < self._acknowledged else 0

    def _tell(self, text: str) -> None:
        if self._verbose:
            self._invocation.out(text)

    def _create_session(self) -> str:
        """The session of which the job hangs: of this agent's node, or of a server's in another datacenter."""
        from muster.client.errors import ClientError

        try:
            own = self._client.agent.self().config.get("Datacenter", "")
        except ClientError as error:
            raise _Failed(f"Error querying Consul agent: {error}") from error
        datacenter = self._invocation.text("datacenter")
        node = ""
        if datacenter and datacenter != own:
            self._tell("Remote exec in foreign datacenter, using Session TTL")
            node = self._server_of(datacenter)
        try:
            return self._client.session.create(name="Remote Exec", node=node, ttl=SESSION_TTL, behavior="delete")
        except ClientError as error:
            raise _Failed(f"Failed to create session: {error}") from error

    def _server_of(self, datacenter: str) -> str:
        from muster.client.errors import ClientError

        try:
            servers = self._client.health.service("consul", passing=True).value
        except ClientError as error:
            raise _Failed(f"Failed to create session: Failed to find Consul server in remote datacenter: {error}") from error
        if not servers:
            raise _Failed("Failed to create session: Failed to find Consul server in remote datacenter")
        node: str = servers[0].node.node
        self._tell(f"Binding session to remote node {node}@{datacenter}")
        return node

    def _announce(self) -> None:
        invocation = self._invocation
        job = json.dumps(_job(invocation)).encode()
        if not self._client.kv.put(f"{self._folder}/job", job, acquire=self._session):
            raise _Failed("Failed to create job file: the session is gone")
        self._tell("Uploaded remote execution spec")
        time.sleep(invocation.number("wait-repl") / SECOND)  # other servers must have the job before the event comes to their agents
        payload = json.dumps({"Prefix": invocation.text("prefix"), "Session": self._session}).encode()
        filters = {name: invocation.text(name) for name in ("node", "service", "tag")}
        self._tell(f"Fired remote execution event: {self._client.event.fire(EVENT, payload, **filters)}")

    def _follow(self) -> None:
        """Shows what the hosts write. Hosts that are known to be at work get twice the time."""
        from muster.client.queries import Query

        index, renewed = 0, time.monotonic()
        heard = time.monotonic()
        while (left := heard + self._wait * (2 if self._acknowledged > self._ended else 1) - time.monotonic()) > 0:
            if time.monotonic() - renewed > RENEW_INTERVAL:
                self._client.session.renew(self._session)
                renewed = time.monotonic()
            wait = max(MILLISECOND, int(min(left, RENEW_INTERVAL) * SECOND))
            found = self._client.kv.keys(f"{self._folder}/", query=Query(index=index, wait=format_duration(wait)))
            index = found.index
            for key in found.value:
                if key not in self._seen:
                    self._seen.add(key)
                    heard = time.monotonic()
                    self._show(key)
        self._invocation.out(f"{self._ended} / {self._acknowledged} node(s) completed / acknowledged")
        self._tell(f"Completed in {time.monotonic() - self._started:.2f} seconds")

    def _show(self, key: str) -> None:
        node, _, name = key.removeprefix(f"{self._folder}/").partition("/")
        if name == "ack":
            self._acknowledged += 1
            self._tell(f"==> {node}: acknowledged")
            return
        if name != "exit" and not name.startswith("out/"):
            return
        entry = self._client.kv.get(key).value
        value = (entry.value or b"") if entry is not None else b""
        if name == "exit":
            self._ended += 1
            self._failed |= value != b"0"
            self._invocation.out(f"==> {node}: finished with exit code {value.decode(errors='replace')}")
        elif value:
            for line in value.split(b"\n"):
                self._invocation.out(b"    %b: %b" % (node.encode(), line) if line else f"    {node}:".encode())
        else:
            self._tell(f"==> {node}: heartbeat received")

    def _clean_up(self) -> None:
        from muster.client.errors import ClientError

        try:
            self._client.session.destroy(self._session)
            self._client.kv.delete(f"{self._folder}/", recurse=True)
        except ClientError as error:
            self._invocation.error(f"Failed to clean up: {error}")


def _job(invocation: Invocation) -> dict[str, Any]:
    job: dict[str, Any] = {"Wait": invocation.number("wait")}
    arguments = list(invocation.arguments)
    if arguments == ["-"]:
        return job | {"Command": "", "Script": base64.b64encode(sys.stdin.buffer.read()).decode()}
    if invocation.switch("shell"):
        return job | {"Command": " ".join(arguments)}
    return job | {"Command": "", "Args": arguments}


COMMAND = Command(
    usage="exec [options] [-|command...]",
    description="""
Runs a command on the hosts of a datacenter, or on those that the filters select, and shows what it writes. With "-" instead of a
command the standard input is a script that is run.

Only agents take part whose setting "disable_remote_exec" is false: whoever may write keys and fire events can then run commands on these
hosts. The exit status is 2 when a host's was not 0, or did not come.
""",
    run=run,
    asks_servers=True,
    flags=(
        Flag("node", TEXT, "A regular expression that the names of the hosts' nodes match."),
        Flag("prefix", TEXT, "Where in the key-value store the command and its output are kept.", default="_rexec"),
        Flag("service", TEXT, "A regular expression that a service of the hosts matches."),
        Flag("shell", SWITCH, "Let the hosts' shell run the command.", default=True),
        Flag("tag", TEXT, "A regular expression that a tag of that service matches. Needs -service."),
        Flag("verbose", SWITCH, "Tell each step."),
        Flag("wait", DURATION, "How long to wait for hosts that have nothing to say before ending.", default=2 * SECOND),
        Flag("wait-repl", DURATION, "How long to wait between writing the command and announcing it.", default=200 * MILLISECOND),
    ),
)
