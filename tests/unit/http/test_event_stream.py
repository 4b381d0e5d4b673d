"""The stream of changes: six promises over random histories, what clients ask for wrongly, and the real connection."""

import http.client
import json
import random
import socket
import struct

import pytest

from muster.http.event_stream import EventStream
from muster.model.catalog import HealthCheck, NodeService
from muster.model.kv import KVEntry
from muster.server.changes import BOOKMARK_PERIOD, KEPT_BATCHES, KEPT_WITHOUT_READERS, LONGEST_PAUSE, TOPICS, Changes
from muster.state.store import Store
from muster.testing import Server
from muster.wire.commands import DeregisterRequest, KVSRequest, RegisterRequest, TxnKVOp, TxnOp, TxnRequest

ALL = frozenset(TOPICS.values())


class Loop:
    """Calls what is soon when told to, and what is later when its time has come."""

    def __init__(self) -> None:
        self.now = 100.0
        self.soon: list = []
        self.later: list = []

    def call_soon(self, function, *arguments) -> None:
        self.soon.append((function, arguments))

    def call_later(self, delay, function, *arguments) -> "Timer":
        timer = Timer(self.now + delay, function, arguments)
        self.later.append(timer)
        return timer

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for function, arguments in soon:
            function(*arguments)

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [timer for timer in self.later if timer.at <= until and not timer.cancelled]:
            timer = min(due, key=lambda one: one.at)
            self.later.remove(timer)
            self.now = max(self.now, timer.at)
            timer.function(*timer.arguments)
            self.turn()
        self.now = until

    def monotonic(self) -> float:
        return self.now


class Timer:
    def __init__(self, at, function, arguments) -> None:
        self.at, self.function, self.arguments, self.cancelled = at, function, arguments, False

    def cancel(self) -> None:
        self.cancelled = True


class World:
    """A state, its changes, and the truth: what differs in the state after each command, found by comparing all of it."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.store = Store()
        self.changes = Changes(self.store, self.loop, self.loop)
        self.index = 0
        self.truth: dict[int, dict[tuple[str, str], str]] = {}

    def state(self) -> dict[tuple[str, str], object]:
        catalog = self.store.catalog
        everything: dict[tuple[str, str], object] = {("keys", entry.key): entry.modify_index for entry in self.store.kv.list("")[1]}
        everything |= {("nodes", node.node): node for node in catalog.nodes()[1]}
        everything |= {("services", name): catalog.service_nodes(name)[1] for name in catalog.services()[1]}
        return everything

    def apply(self, command) -> None:
        self.index += 1
        before = self.state()
        self.store.apply(self.index, command)
        after = self.state()
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        if changed:
            self.truth[self.index] = {name: "put" if name in after else "delete" for name in changed}
        self.changes.applied(self.index)

    def write(self) -> None:
        self.apply(KVSRequest(op="set", entry=KVEntry(key="a", value=b"%d" % self.index)))

    def restore(self) -> None:
        content = list(self.store.snapshot())
        self.index += 1
        self.store.restore(iter(content))
        self.changes.restored()
        self.index = self.changes.newest

    def client(self, topics=ALL, prefix="", resume=None) -> "Client":
        return Client(self, topics, prefix, resume)


class Client:
    """Reads a stream, and comes again after its last event when it was cut off."""

    def __init__(self, world: World, topics=ALL, prefix="", resume=None) -> None:
        self.world, self.topics, self.prefix = world, topics, prefix
        self.is_full = self.gone = False
        self.text = ""
        self.last = resume
        self.events: list[tuple[int, str, list]] = []
        self.connect()

    def connect(self) -> None:
        self.gone, self.is_full, self.text = False, False, ""
        self.stream = EventStream(self.world.changes, self.topics, self.prefix, self.last)
        self.stream.begin(self)

    def push(self, part: bytes) -> None:
        assert not self.gone
        self.text += part.decode()
        *whole, self.text = self.text.split("\n\n")
        for event in whole:
            lines = dict(line.split(": ", 1) for line in event.split("\n"))
            data = json.loads(lines["data"])
            self.last = int(lines["id"])
            assert data["Index"] == self.last
            self.events.append((self.last, lines["event"], [(one["Topic"], one["Key"], one["Kind"]) for one in data["Changes"]]))

    def abort(self) -> None:
        self.gone = True
        self.stream.close()

    def vanish(self) -> None:
        if not self.gone:
            self.gone = True
            self.stream.close()

    def read_again(self) -> None:
        self.is_full = False
        self.stream.writable()

    def check(self) -> None:
        """The promises, against the truth."""
        covered = None  # up to this index all is known
        for index, kind, changes in self.events:
            if kind == "reset" or covered is None:
                assert kind in ("reset", "bookmark") and not changes
                covered = index
                continue
            if kind == "bookmark":
                assert index >= covered, "ordered"
                assert not self.expected(covered, index), "reliable: no bookmark past what was not told"
            else:
                assert index > covered, "unique and ordered"
                missed = self.expected(covered, index - 1)
                assert not missed, f"reliable: {missed} were left out"
                told = {(topic, key): what for topic, key, what in changes}
                assert len(told) == len(changes), "each once"
                for name, what in self.expected(index - 1, index).get(index, {}).items():
                    assert told.get(name) == what, f"atomic: {name} at {index} belongs to it"
            covered = index

    def expected(self, after: int, until: int) -> dict[int, dict]:
        found = {}
        for index in range(after + 1, until + 1):
            wanted = {
                name: what
                for name, what in self.world.truth.get(index, {}).items()
                if name[0] in self.topics and (name[0] != "keys" or name[1].startswith(self.prefix))
            }
            if wanted:
                found[index] = wanted
        return found


def command(chance: random.Random):
    node, key = f"n{chance.randrange(3)}", chance.choice(["a", "a/b", "b", "b/c", "z"])
    match chance.randrange(7):
        case 0 | 1:
            return KVSRequest(op="set", entry=KVEntry(key=key, value=b"v"))
        case 2:
            return KVSRequest(op=chance.choice(["delete", "delete-tree"]), entry=KVEntry(key=key))
        case 3:
            return TxnRequest(ops=[TxnOp(kv=TxnKVOp(verb="set", entry=KVEntry(key=one, value=b"t"))) for one in ("a", "b/c")])
        case 4:
            service = NodeService(id=f"s{chance.randrange(2)}", service=chance.choice(["web", "db"]), port=chance.randrange(9))
            return RegisterRequest(node=node, address="10.0.0.1", service=service)
        case 5:
            check = HealthCheck(node=node, check_id="c", status=chance.choice(["passing", "critical"]))
            return RegisterRequest(node=node, address="10.0.0.1", check=check)
        case _:
            return DeregisterRequest(node=node, service_id=chance.choice(["", "s0", "s1"]))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_the_six_promises_are_kept(seed):
    chance = random.Random(seed)
    world = World()
    for _ in range(chance.randrange(20)):
        world.apply(command(chance))
    clients = [world.client(), world.client(frozenset({"keys"}), "b"), world.client(frozenset({"services", "nodes"}))]
    for _ in range(600):
        client = chance.choice(clients)
        match chance.randrange(40):
            case 0:
                world.restore()
            case 1:
                client.vanish()
            case 2 | 3 if client.gone:
                client.connect()
            case 4 | 5:
                client.is_full = True
            case 6 | 7 | 8 if client.is_full and not client.gone:
                client.read_again()
            case 9:
                world.loop.pass_time(chance.choice([1.0, BOOKMARK_PERIOD, LONGEST_PAUSE]))
            case 10 | 11 | 12 | 13:
                world.loop.turn()
            case _:
                world.apply(command(chance))
    for _ in range(2):  # who reads again may learn that it is cut off
        for client in clients:
            if client.gone:
                client.connect()
            client.read_again()
    world.loop.turn()
    world.loop.pass_time(BOOKMARK_PERIOD)
    for client in clients:
        client.check()
        assert not client.gone and client.last == world.changes.newest, "bookmarkable: who reads knows where it is"


def test_who_does_not_read_is_cut_off_and_may_resume_while_what_it_missed_is_kept():
    world = World()
    client = world.client()
    client.is_full = True
    for _ in range(KEPT_BATCHES):
        world.write()
    world.loop.turn()
    assert not client.gone
    world.loop.pass_time(LONGEST_PAUSE + BOOKMARK_PERIOD)
    assert client.gone and world.changes.reader_count == 0
    client.connect()
    world.loop.turn()
    assert [kind for _, kind, _ in client.events[:2]] == ["bookmark", "bookmark"]
    assert sum(kind == "change" for _, kind, _ in client.events) == KEPT_BATCHES

    client.is_full = True
    for _ in range(KEPT_BATCHES + 1):
        world.write()
    world.loop.turn()
    assert client.gone, "the ring has passed it"
    client.connect()
    assert client.events[-1][1] == "reset"
    client.check()


def test_nothing_is_collected_before_the_first_reader_and_long_after_the_last():
    world = World()
    world.write()
    assert not world.store.watches.followed
    client = world.client()
    assert world.store.watches.followed
    client.vanish()
    world.loop.pass_time(KEPT_WITHOUT_READERS - 1)
    assert world.store.watches.followed, "it may come again"
    world.loop.pass_time(2 * BOOKMARK_PERIOD)
    assert not world.store.watches.followed
    world.write()
    client.connect()
    assert client.events[-1][1] == "reset"


def test_a_client_of_another_server_may_be_further_than_this_one():
    world = World()
    world.write()
    client = world.client(resume=3)
    for _ in range(4):
        world.write()
    world.loop.turn()
    assert [(index, kind) for index, kind, _ in client.events] == [(3, "bookmark"), (4, "change"), (5, "change")]


def test_what_a_failed_command_touched_is_no_change():
    world = World()
    client = world.client()
    ops = [
        TxnOp(kv=TxnKVOp(verb="set", entry=KVEntry(key="a", value=b"v"))),
        TxnOp(kv=TxnKVOp(verb="check-index", entry=KVEntry(key="b", modify_index=9))),
    ]
    world.apply(TxnRequest(ops=ops))
    world.loop.turn()
    assert [kind for _, kind, _ in client.events] == ["bookmark"]


# ---- over the network


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


def open_stream(server, query="", **headers) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    connection.request("GET", f"/v1/muster/stream{query}", headers=headers)
    return connection, connection.getresponse()


def next_event(answer) -> dict:
    lines = []
    while (line := answer.readline()) != b"\n":
        assert line, "the stream ended"
        lines.append(line.decode().rstrip("\n").split(": ", 1))
    event = dict(lines)
    return {"id": int(event["id"]), "event": event["event"], **json.loads(event["data"])}


def next_change(answer) -> dict:
    while (event := next_event(answer))["event"] != "change":
        pass
    return event


def test_a_browser_gets_events_and_resumes_by_the_last_one(server):
    connection, answer = open_stream(server, "?topics=keys,services&prefix=seen/")
    assert answer.getheader("Content-Type") == "text/event-stream" and answer.getheader("Cache-Control") == "no-store"
    assert next_event(answer)["event"] == "bookmark"
    server.client.kv.put("unseen", b"x")
    server.client.kv.put("seen/a", b"x")
    event = next_change(answer)
    assert event["Changes"] == [{"Topic": "keys", "Key": "seen/a", "Kind": "put"}]
    assert server.client.kv.get("seen/a").value.modify_index == event["id"]
    connection.close()

    server.client.kv.delete("seen/a")
    connection, answer = open_stream(server, "?topics=keys&prefix=seen/", **{"Last-Event-ID": str(event["id"])})
    assert next_change(answer)["Changes"] == [{"Topic": "keys", "Key": "seen/a", "Kind": "delete"}]
    connection.close()


@pytest.mark.parametrize(
    ("query", "headers", "said"),
    [
        pytest.param("?topics=keys,nonsense", {}, b"Unknown topic 'nonsense': topics are checks, config,", id="topic"),
        pytest.param("?index=-1", {}, b"Bad Last-Event-ID '-1'", id="index"),
        pytest.param("", {"Last-Event-ID": "x"}, b"Bad Last-Event-ID 'x'", id="last event"),
    ],
)
def test_what_makes_no_sense_is_refused(server, query, headers, said):
    connection, answer = open_stream(server, query, **headers)
    assert answer.status == 400 and said in answer.read()
    connection.close()


def test_a_client_that_vanishes_is_forgotten(server):
    connection, answer = open_stream(server)
    next_event(answer)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    answer.close()
    connection.close()
    other, answer = open_stream(server, "?topics=keys")
    next_event(answer)
    server.client.kv.put("after", b"x")
    assert next_change(answer)["Changes"][0]["Key"] == "after"
    other.close()


def test_streams_end_when_the_agent_goes_down():
    with Server() as ending:
        connection, answer = open_stream(ending)
        next_event(answer)
    with pytest.raises((AssertionError, OSError, http.client.HTTPException)):
        while True:
            next_event(answer)
    connection.close()


def test_the_history_of_a_check_says_when_it_turned_and_what_it_said(server):
    server.client.agent.register_service({"Name": "watched", "Check": {"CheckID": "watched-check", "TTL": "1h", "Status": "passing"}})
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)

    def ask(method: str, path: str, body: str | None = None) -> bytes:
        connection.request(method, path, body)
        return connection.getresponse().read()

    def history() -> list[dict]:
        return json.loads(ask("GET", "/v1/muster/health/history?service=watched&since=1h"))

    other, changes = open_stream(server, "?topics=services")

    def until(count: int) -> None:
        while not (found := history()) or len(found[0]["Changes"]) < count:
            next_event(changes)

    until(1)
    ask("PUT", "/v1/agent/check/update/watched-check", json.dumps({"Status": "critical", "Output": "no room"}))
    until(2)
    (found,) = history()
    assert (found["CheckID"], found["ServiceName"], found["Flaps"]) == ("watched-check", "watched", 1)
    assert [(change["Before"], change["Status"]) for change in found["Changes"]] == [("", "passing"), ("passing", "critical")]
    assert found["Changes"][1]["Output"] == "no room" and found["Changes"][0]["Time"] <= found["Changes"][1]["Time"]
    assert json.loads(ask("GET", "/v1/muster/health/history?node=nobody")) == []
    assert b"Bad since 'soon'" in ask("GET", "/v1/muster/health/history?since=soon")
    connection.close()
    other.close()
