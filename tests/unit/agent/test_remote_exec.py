"""Commands from the key-value store: what is run, and what is written of it."""

import base64
import json
from typing import Any

import pytest
from agent_fakes import in_loop

from muster.agent.events import UserEvent
from muster.agent.remote_exec import PIECE, RemoteExecution
from muster.model.kv import KVEntry
from muster.wire.replies import Reply

SESSION = "5d0cd121-103c-4905-f204-8ddeae8bdf65"
FOLDER = f"_rexec/{SESSION}"
ANNOUNCED = json.dumps({"Prefix": "_rexec", "Session": SESSION}).encode()


class Store:
    """Keys that one session may lock. `behind`: a stale read does not find the job; `keeps`: so many writes, then the session is gone."""

    def __init__(self, job: dict[str, Any], *, behind: bool = False, keeps: int = 1000) -> None:
        self.job, self.behind, self.keeps = job, behind, keeps
        self.written: dict[str, bytes] = {}

    def call(self, method: str, request: Any) -> Reply:
        if method == "KVS.Get":
            assert request.key == f"{FOLDER}/job"
            found = not (self.behind and request.allow_stale)
            return Reply(value=[KVEntry(key=request.key, value=json.dumps(self.job).encode())] if found else [])
        assert (method, request.op, request.entry.session) == ("KVS.Apply", "lock", SESSION)
        if len(self.written) == self.keeps:
            return Reply(value=False)
        self.written[request.entry.key.removeprefix(f"{FOLDER}/n1/")] = request.entry.value
        return Reply(value=True)

    def output(self) -> bytes:
        return b"".join(value for key, value in sorted(self.written.items()) if key.startswith("out/"))


async def carried_out(store: Store) -> dict[str, bytes]:
    await RemoteExecution(store.call, "n1", "dc1", disabled=False).carry_out(ANNOUNCED)
    return store.written


@pytest.mark.parametrize(
    ("job", "output", "status"),
    [
        pytest.param({"Command": "echo out; echo err >&2; exit 3"}, b"out\nerr\n", b"3", id="a command for the shell"),
        pytest.param({"Command": "", "Args": ["echo", "a b", "$HOME"]}, b"a b $HOME\n", b"0", id="arguments for none"),
        pytest.param({"Command": "", "Script": base64.b64encode(b"echo script").decode()}, b"script\n", b"0", id="a script"),
        pytest.param(
            {"Command": "", "Script": base64.b64encode(b"#!/bin/cat\nx").decode()}, b"#!/bin/cat\nx", b"0", id="with its interpreter"
        ),
        pytest.param({"Command": "", "Args": ["/no/such/program"]}, b"", b"255", id="what cannot be started"),
        pytest.param({"Command": "kill -9 $$"}, b"", b"255", id="ended by a signal"),
        pytest.param({"Command": "", "Args": ["true"]}, b"", b"0", id="nothing to say"),
    ],
)
def test_a_job_is_run_and_told_of(job: dict[str, Any], output: bytes, status: bytes) -> None:
    @in_loop
    async def test() -> None:
        store = Store(job | {"Wait": 10**12})
        written = await carried_out(store)
        assert (written["ack"], written["exit"]) == (b"", status)
        assert store.output() == output

    test()


@in_loop
async def test_long_output_goes_in_pieces() -> None:
    store = Store({"Command": f"head -c {3 * PIECE + 5} /dev/zero"})
    written = await carried_out(store)
    assert len(store.output()) == 3 * PIECE + 5
    assert [len(written[f"out/0000{number}"]) for number in range(4)] == [PIECE, PIECE, PIECE, 5]


@in_loop
async def test_a_silent_job_gives_signs_of_life() -> None:
    store = Store({"Command": "sleep 0.3; echo done", "Wait": 50_000_000})
    written = await carried_out(store)
    assert written["out/00000"] == b""
    assert store.output() == b"done\n"


@in_loop
async def test_a_job_that_a_server_does_not_know_yet_is_asked_of_the_leader() -> None:
    assert (await carried_out(Store({"Command": "true"}, behind=True)))["exit"] == b"0"


@in_loop
async def test_nothing_is_run_once_the_session_is_gone() -> None:
    assert await carried_out(Store({"Command": "true"}, keeps=0)) == {}


@in_loop
async def test_a_job_is_ended_when_nobody_is_there_to_be_told() -> None:
    store = Store({"Command": "echo begun; sleep 1000"}, keeps=1)
    assert await carried_out(store) == {"ack": b""}


@pytest.mark.parametrize("payload", [b"", b"no json", b"[]", b'{"Prefix":1}'])
def test_what_is_no_announcement_is_passed_over(payload: bytes) -> None:
    @in_loop
    async def test() -> None:
        store = Store({"Command": "true"})
        await RemoteExecution(store.call, "n1", "dc1", disabled=False).carry_out(payload)
        assert store.written == {}

    test()


@in_loop
async def test_nothing_is_run_where_it_is_switched_off() -> None:
    store = Store({"Command": "true"})
    execution = RemoteExecution(store.call, "n1", "dc1", disabled=True)
    execution.announced(UserEvent(name="_rexec", payload=ANNOUNCED))
    await execution.stop()
    assert store.written == {}


@in_loop
async def test_a_stop_ends_what_is_running() -> None:
    store = Store({"Command": "sleep 1000"})
    execution = RemoteExecution(store.call, "n1", "dc1", disabled=False)
    execution.announced(UserEvent(name="_rexec", payload=ANNOUNCED))
    await execution.stop()
    assert "exit" not in store.written
