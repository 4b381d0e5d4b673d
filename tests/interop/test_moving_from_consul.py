"""Moving a datacenter from Consul to Muster and back: server by server under load, and in place by `muster migrate`."""

import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from agents import MUSTER
from mixed_servers import MixedServer, answer, differences, questions, until, voters
from random_commands import RandomCommands
from writers import Writers

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.timeout(600)]

KEY = "cg8StVXbQJ0gPvMd9o7yrg=="


class Servers:
    """Servers that come and go in one datacenter; all that still run are stopped at the end."""

    def __init__(self, folder: Path, network: str, stack: ExitStack, **settings) -> None:
        self.folder, self.network, self.stack, self.settings = folder, network, stack, settings
        self.number = 0
        self.current: list[MixedServer] = []

    def start(self, program: Path | None = None, server: bool = True, **settings) -> MixedServer:
        """One more agent at an address of its own, which joins those that are there."""
        self.number += 1
        name = f"{'consul' if program else 'muster'}-{self.number}"
        keys = {"retry_join": [one.address for one in self.current], **self.settings, **settings}
        made = MixedServer(self.folder / name, name, f"{self.network}.{self.number}", program, server=server, **keys)
        self.stack.callback(made.stop)
        made.start()
        if server:
            self.current.append(made)
        return made

    def found(self, program: Path) -> None:
        """Three servers that found a datacenter together."""
        together = [f"{self.network}.{number}" for number in (1, 2, 3)]
        for _ in together:
            self.start(program, bootstrap_expect=3, retry_join=together)
        until(lambda: len(voters(self.current[0])) == 3, "three voters", servers=self.current)

    def replace(self, old: MixedServer, program: Path | None) -> None:
        """A new server takes part, then the old one leaves; it may still be at it when the next one comes."""
        new = self.start(program)
        until(lambda: f"{new.address}:8300" in voters(new), f"{new.name} is promoted", servers=self.current)
        old.call("PUT", "/v1/agent/leave", timeout=60)
        self.current.remove(old)


def test_every_server_is_replaced_and_replaced_back_under_load(consul, tmp_path):
    with ExitStack() as stack:
        servers = Servers(tmp_path, "127.0.10", stack)
        servers.found(consul)
        clients = [servers.start(program, server=False) for program in (consul, None)]
        until(lambda: all(one.ask("/v1/status/leader") for one in clients), "the clients know a leader", servers=clients)
        with Writers(clients * 2) as writers:
            for program in (None, consul):
                for old in list(servers.current):
                    servers.replace(old, program)
            until(lambda: voters(servers.current[0]) == {f"{one.address}:8300" for one in servers.current}, "the others have left")
        print(f"{len(writers.acknowledged)} acknowledged writes, {len(writers.failed)} that failed: {writers.failed[:3]}")
        assert writers.lost(servers.current[0]) == []
        assert len(writers.acknowledged) > 100
        until(lambda: differences(servers.current, questions([], [], ["consul"], [])) == [], "all agree", servers=servers.current)


def migrated(server: MixedServer) -> MixedServer:
    """The same server, run by Muster with the same configuration: its Consul is stopped and its data directory taken over."""
    server.stop(signal.SIGINT)
    done = subprocess.run([MUSTER, "migrate", server.data], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Migrated." in done.stdout
    settings = json.loads((server.folder / "test.json").read_text())
    return MixedServer(server.folder / "muster", server.name, server.address, data=server.data, **settings)


def members(server: MixedServer) -> set[tuple[str, str, str, bool]]:
    """Who takes part, as the servers' configuration has it."""
    rows = server.ask("/v1/operator/raft/configuration")["Servers"]
    return {(row["ID"], row["Node"], row["Address"], row["Voter"]) for row in rows}


def answers(server: MixedServer, asked: list[str]) -> dict[str, object]:
    """Status, index and content of each question."""
    return {question: answer(server, question) for question in asked}


def fill(servers: list[MixedServer]) -> RandomCommands:
    """Something of everything: services of an agent, random commands, a value as long as a page of the log's file, snapshots."""
    first = servers[0]
    first.call("PUT", "/v1/agent/service/register", json.dumps({"Name": "kept", "Port": 80, "Check": {"TTL": "1h"}}))
    first.call("PUT", "/v1/agent/check/pass/service:kept?note=well")
    commands = RandomCommands(11, servers, one_spelling=True)
    commands.begin()
    commands.run(500)
    for name, value in (("plain", b"unlocked"), ("large", bytes(200_000))):
        assert first.ask(f"/v1/kv/{name}", "PUT", value) is True
    until(lambda: first.ask("/v1/health/service/kept?passing"), "the service is in the catalog", servers=servers)
    until(lambda: all(list(one.data.glob("raft/snapshots/*-*")) for one in servers), "all have written snapshots", servers=servers)
    return commands


def test_three_stopped_servers_are_migrated_in_place_and_go_back_by_a_snapshot(consul, tmp_path):
    with ExitStack() as stack:
        servers = Servers(
            tmp_path, "127.0.11", stack, encrypt=KEY, disable_coordinates=True, raft_snapshot_threshold=100, raft_snapshot_interval="1s"
        )
        servers.found(consul)
        commands = fill(servers.current)
        asked = questions(*commands.names())
        assert differences(servers.current, asked) == []
        before, applied, who = answers(servers.current[0], asked), servers.current[0].applied(), members(servers.current[0])
        moved = [migrated(server) for server in stopped_together(servers.current)]
        for server in moved:
            stack.callback(server.stop)
            server.start()
        until(lambda: all(one.ask("/v1/status/leader") for one in moved), "a leader", servers=moved)
        assert differences(moved, asked) == []
        after = answers(moved[0], asked)
        assert {question: (before[question], after[question]) for question in asked if after[question] != before[question]} == {}
        assert members(moved[0]) == who
        assert applied < moved[0].applied() < applied + 100, "it goes on where it was"
        assert moved[0].ask("/v1/agent/services")["kept"]["Port"] == 80
        assert moved[0].ask("/v1/agent/checks")["service:kept"]["Output"] == "well"
        assert moved[1].ask("/v1/operator/keyring")[0]["Keys"] == {KEY: 3}
        assert moved[2].ask("/v1/kv/after", "PUT", "x") is True
        assert_back_by_a_snapshot(moved[0], servers.start(consul, bootstrap_expect=1, retry_join=[]))


def stopped_together(servers: list[MixedServer]) -> list[MixedServer]:
    """All of them told to stop, so that none leads the others meanwhile."""
    for server in servers:
        server.process.send_signal(signal.SIGINT)
    for server in servers:
        server.process.wait(30)
    return servers


def assert_back_by_a_snapshot(ours: MixedServer, theirs: MixedServer) -> None:
    """A fresh Consul server takes what Muster saved. What hangs on nodes that are not there is not looked at: their agents are gone."""
    until(lambda: theirs.ask("/v1/kv/ready", "PUT", "x"), "a fresh leader", servers=[theirs])
    status, saved, _ = ours.call("GET", "/v1/snapshot")
    assert status == 200
    assert theirs.call("PUT", "/v1/snapshot", saved, timeout=60)[0] == 200

    def free(server: MixedServer) -> dict[str, tuple]:
        rows = server.ask("/v1/kv/?recurse&consistent")
        return {row["Key"]: (row["Value"], row["Flags"], row["CreateIndex"], row["ModifyIndex"]) for row in rows if "Session" not in row}

    wanted = free(ours)
    assert {"plain", "large", "after"} <= set(wanted)
    until(lambda: wanted.items() <= free(theirs).items(), "all keys that nobody holds", servers=[theirs])
    for question in ("/v1/config/service-defaults", "/v1/operator/autopilot/configuration"):
        assert answer(theirs, question)[2] == answer(ours, question)[2]


def test_servers_are_migrated_in_place_one_after_another_under_load(consul, tmp_path):
    with ExitStack() as stack:
        servers = Servers(tmp_path, "127.0.12", stack)
        servers.found(consul)
        client = servers.start(consul, server=False)
        until(lambda: client.ask("/v1/status/leader"), "the client knows a leader", servers=[client])
        who = members(client)
        with Writers([client] * 3) as writers:
            for at, old in enumerate(servers.current):
                servers.current[at] = new = migrated(old)
                stack.callback(new.stop)
                new.start()
                until(lambda one=new: one.ask("/v1/kv/?keys&consistent&separator=/"), f"{new.name} is back", servers=servers.current)
                caught_up(servers.current)
        print(f"{len(writers.acknowledged)} acknowledged writes, {len(writers.failed)} that failed: {writers.failed[:3]}")
        assert writers.lost(servers.current[0]) == []
        assert len(writers.acknowledged) > 100
        assert members(client) == who
        until(lambda: differences(servers.current, questions([], [], ["consul"], [])) == [], "all agree", servers=servers.current)


def caught_up(servers: list[MixedServer]) -> None:
    """All of them have applied what the furthest had when this began, so that another one may stop."""
    furthest = max(server.applied() for server in servers)
    until(lambda: all(server.applied() >= furthest for server in servers), "all have caught up", servers=servers)
