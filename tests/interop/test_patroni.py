"""Patroni, unchanged, elects and fails over a pair of PostgreSQL servers with Muster as its store."""

import json
import os
import pwd
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import AgentProcess, free_ports
from conftest import needs_program

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.timeout(300)]

PATRONI = Path(sys.executable).with_name("patroni")
UP = 90.0
"""Seconds for a database to be made or copied, and to start."""
TAKEN_OVER = 60.0
"""Seconds until another leads: the session's 10 s, as long again until it is held for dead, and Patroni's and PostgreSQL's own steps."""


def programs_of_postgresql() -> Path:
    """The folder of `initdb` and `postgres`; a skip by name without them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("postgresql is not installed")
    return found[-1].parent


def as_somebody_else(*command: object) -> list[str]:
    """The command in a user namespace in which root is called postgres: PostgreSQL refuses to run as root."""
    words = [str(word) for word in command]
    if os.geteuid():
        return words
    needs_program("unshare")
    owner = pwd.getpwnam("postgres")
    return ["unshare", "--user", f"--map-user={owner.pw_uid}", f"--map-group={owner.pw_gid}", "--", *words]


class Database:
    """A PostgreSQL server that Patroni runs."""

    def __init__(self, folder: Path, name: str, agent: AgentProcess) -> None:
        self.folder, self.name = folder / name, name
        self.folder.mkdir(mode=0o700)
        self.port, self.rest = free_ports(2)
        self.process: subprocess.Popen | None = None
        (self.folder / "patroni.json").write_text(json.dumps(self._configuration(agent)))

    def _configuration(self, agent: AgentProcess) -> dict:
        replication = {"username": "replicator", "password": "r"}
        return {
            "scope": "pair",
            "name": self.name,
            "restapi": {"listen": f"127.0.0.1:{self.rest}", "connect_address": f"127.0.0.1:{self.rest}"},
            "consul": {"host": f"127.0.0.1:{agent.http}", "register_service": True},
            "bootstrap": {
                "dcs": {"ttl": 20, "loop_wait": 1, "retry_timeout": 5, "postgresql": {"use_pg_rewind": True}},
                "initdb": [{"encoding": "UTF8"}, "data-checksums"],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}",
                "connect_address": f"127.0.0.1:{self.port}",
                "data_dir": str(self.folder / "data"),
                "bin_dir": str(programs_of_postgresql()),
                "pgpass": str(self.folder / "pgpass"),
                "authentication": {"superuser": {"username": "postgres", "password": "s"}, "replication": replication},
                "pg_hba": ["host all all 127.0.0.1/32 md5", "host replication replicator 127.0.0.1/32 md5", "local all all trust"],
                "parameters": {"unix_socket_directories": str(self.folder), "fsync": "off"},
            },
        }

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = as_somebody_else(PATRONI, self.folder / "patroni.json")
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)

    def kill(self) -> None:
        """Patroni and its PostgreSQL are gone at once, as if the host had lost its power."""
        assert self.process is not None
        postmaster = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        self.process.kill()
        os.kill(postmaster, 9)
        self.process.wait(20)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def says(self, path: str) -> bool:
        """Whether its own REST interface says yes."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/{path}", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def ask(self, statement: str) -> list[tuple]:
        import psycopg

        where = f"host=127.0.0.1 port={self.port} user=postgres password=s dbname=postgres connect_timeout=5"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def leads(self) -> bool:
        """Whether Patroni says so and PostgreSQL takes writes, which follows a moment later."""
        return self.says("primary") and self.ask("select pg_is_in_recovery()") == [(False,)]

    def until(self, condition, limit: float, what: str) -> None:
        deadline = time.monotonic() + limit
        while not condition():
            log = (self.folder / "log").read_text(errors="replace")
            assert time.monotonic() < deadline, f"{self.name} not within {limit} s: {what}\n{log[-4000:]}"
            time.sleep(0.1)


@pytest.fixture
def agent(tmp_path) -> Iterator[AgentProcess]:
    arguments = ("-server", "-bootstrap-expect=1", f"-data-dir={tmp_path / 'store'}")
    with AgentProcess(tmp_path / "agent", *arguments, config={"performance": {"raft_multiplier": 1}}) as running:
        yield running


@pytest.fixture
def pair(agent, tmp_path) -> Iterator[tuple[Database, Database]]:
    """The first leads, the second follows it."""
    programs_of_postgresql()
    first, second = Database(tmp_path, "first", agent), Database(tmp_path, "second", agent)
    try:
        first.start()
        first.until(lambda: first.says("primary"), UP, "it leads")
        second.start()
        second.until(lambda: second.says("replica"), UP, "it follows")
        yield first, second
    finally:
        for database in (second, first):
            database.stop()


def test_patroni_fails_over_when_the_leader_dies_and_hands_over_when_it_is_stopped(agent, pair):
    first, second = pair
    first.ask("create table written (by text)")
    first.ask("insert into written values ('first')")
    second.until(
        lambda: second.says("replica?lag=0") and second.ask("select by from written") == [("first",)], UP, "it has what was written"
    )
    agent.until(lambda: (who_is(agent, "primary"), who_is(agent, "replica")) == ({first.port}, {second.port}), 30, "the catalog names both")

    first.kill()
    second.until(lambda: second.leads(), TAKEN_OVER, "it leads")
    agent.until(lambda: who_is(agent, "primary") == {second.port}, 30, "the catalog names the new leader")
    second.ask("insert into written values ('second')")
    assert second.ask("select by from written") == [("first",), ("second",)]

    first.start()
    first.until(lambda: first.says("replica") and len(first.ask("select by from written")) == 2, UP, "it follows the new leader")
    agent.until(lambda: who_is(agent, "replica") == {first.port}, 30, "the catalog names the follower")

    second.stop()
    first.until(lambda: first.leads(), TAKEN_OVER, "it leads again")
    first.ask("insert into written values ('first again')")
    assert [by for (by,) in first.ask("select by from written")] == ["first", "second", "first again"]


def who_is(agent: AgentProcess, role: str) -> set[int]:
    """The ports of the healthy instances with that tag."""
    return {entry["Service"]["Port"] for entry in agent.json(f"/v1/health/service/pair?passing&tag={role}")}
