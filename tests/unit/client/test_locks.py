"""Locks and semaphores over a key/value store in memory that blocks as an agent does."""

import json
import threading
import uuid
from typing import Any

import pytest

from muster.client.errors import AgentUnreachable, LockAlreadyHeld, LockConflict, LockInUse, LockNotHeld, LockTimeout
from muster.client.locks import LOCK_FLAGS, Lock
from muster.client.queries import Answer, Query
from muster.client.semaphores import SEMAPHORE_FLAGS, Semaphore
from muster.model.durations import parse_duration, seconds
from muster.model.kv import KVEntry
from muster.model.sessions import Session


class MemoryAgent:
    """The calls that locks use: keys with sessions, blocking reads, sessions. Tests may end sessions and cut it off."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.entries: dict[str, KVEntry] = {}
        self.sessions: dict[str, str] = {}
        self.index = 1
        self.cut_off = False
        self.waiting = threading.Event()
        self.kv = self.session = self

    def end_session(self, session_id: str) -> None:
        with self.changed:
            behavior = self.sessions.pop(session_id, "")
            self._move()
            for key, entry in list(self.entries.items()):
                if entry.session == session_id and behavior == "delete":
                    del self.entries[key]
                elif entry.session == session_id:
                    self.entries[key] = self._with(entry, session="", modify_index=self.index)

    def create(self, *, name: str, ttl: str, behavior: str, lock_delay: str) -> str:
        created = str(uuid.uuid4())
        self.sessions[created] = behavior
        return created

    def renew(self, session_id: str) -> Session | None:
        return Session(id=session_id) if session_id in self.sessions else None

    def destroy(self, session_id: str) -> None:
        self.end_session(session_id)

    def get(self, key: str, query: Query | None = None) -> Answer[KVEntry | None]:
        return self._read(query, lambda: self.entries.get(key))

    def list(self, prefix: str, query: Query | None = None) -> Answer[Any]:
        return self._read(query, lambda: [entry for key, entry in sorted(self.entries.items()) if key.startswith(prefix)])

    def put(self, key: str, value: bytes, *, flags: int = 0, cas: int | None = None, acquire: str = "", release: str = "") -> bool:
        with self.changed:
            before = self.entries.get(key)
            held = before.session if before else ""
            if cas is not None and cas != (before.modify_index if before else 0):
                return False
            if (acquire and held not in ("", acquire)) or (release and held != release):
                return False
            self._move()
            session = acquire or ("" if release else held)
            self.entries[key] = KVEntry(key=key, value=value, flags=flags, session=session, modify_index=self.index)
            return True

    def delete(self, key: str, *, cas: int | None = None) -> bool:
        with self.changed:
            before = self.entries.get(key)
            if cas is not None and (before is None or before.modify_index != cas):
                return False
            self.entries.pop(key, None)
            self._move()
            return True

    def cut(self) -> None:
        with self.changed:
            self.cut_off = True
            self.changed.notify_all()

    def _move(self) -> None:
        self.index += 1
        self.changed.notify_all()

    def _read(self, query: Query | None, value: Any) -> Answer[Any]:
        query = query or Query()
        with self.changed:
            if query.index:
                self.waiting.set()
                limit = seconds(parse_duration(query.wait)) if query.wait else 10.0
                self.changed.wait_for(lambda: self.index > query.index or self.cut_off, limit)
            if self.cut_off:
                raise AgentUnreachable("GET", "http://agent/v1/kv/", "EOF")
            return Answer(value(), {"x-consul-index": str(self.index)})

    @staticmethod
    def _with(entry: KVEntry, **changes: Any) -> KVEntry:
        from msgspec.structs import replace

        return replace(entry, **changes)


@pytest.fixture
def agent():
    return MemoryAgent()


def lock(agent: MemoryAgent, **options: Any) -> Lock:
    return Lock(agent, "a/.lock", **options)  # type: ignore[arg-type]


def semaphore(agent: MemoryAgent, limit: int = 2, **options: Any) -> Semaphore:
    return Semaphore(agent, "s", limit, **options)  # type: ignore[arg-type]


def test_a_lock_is_a_key_that_its_session_holds(agent):
    held = lock(agent, value=b"me")
    held.acquire()
    entry = agent.entries["a/.lock"]
    assert (entry.flags, entry.value) == (LOCK_FLAGS, b"me")
    assert list(agent.sessions) == [entry.session]
    held.release()
    assert agent.entries["a/.lock"].session == ""
    assert agent.sessions == {}
    held.destroy()
    assert agent.entries == {}


def test_a_second_one_waits_until_the_first_gives_it_back(agent):
    first, second = lock(agent), lock(agent)
    first.acquire()
    agent.waiting.clear()
    got = threading.Event()
    waiter = threading.Thread(target=lambda: (second.acquire(), got.set()))
    waiter.start()
    assert agent.waiting.wait(5)
    assert not got.is_set()
    first.release()
    waiter.join(5)
    assert got.is_set() and second.held
    second.release()


def test_a_lock_that_is_held_is_not_acquired_in_time_and_leaves_no_session(agent):
    with lock(agent):
        with pytest.raises(LockTimeout):
            lock(agent, timeout=0.01).acquire()
        assert len(agent.sessions) == 1


def test_an_acquisition_can_be_told_to_stop(agent):
    stop = threading.Event()
    stop.set()
    with pytest.raises(LockTimeout):
        lock(agent).acquire(stop)
    assert agent.sessions == {}


def test_the_holder_hears_when_its_session_ends(agent):
    lost = lock(agent).acquire()
    assert not lost.is_set()
    agent.end_session(next(iter(agent.sessions)))
    assert lost.wait(5)


def test_the_holder_hears_when_the_agent_is_gone(agent):
    lost = lock(agent).acquire()
    agent.cut()
    assert lost.wait(5)


def test_a_key_of_another_use_is_left_alone(agent):
    agent.put("a/.lock", b"data")
    with pytest.raises(LockConflict, match="Existing key does not match lock use"):
        lock(agent).acquire()
    assert agent.entries["a/.lock"].value == b"data"
    assert agent.sessions == {}


def test_wrong_orders_are_refused(agent):
    held = lock(agent)
    with pytest.raises(LockNotHeld):
        held.release()
    held.acquire()
    with pytest.raises(LockAlreadyHeld):
        held.acquire()
    with pytest.raises(LockAlreadyHeld):
        held.destroy()
    with pytest.raises(LockInUse):
        lock(agent).destroy()
    held.release()


def test_a_semaphore_s_holders_stand_in_its_lock_key(agent):
    first, second = semaphore(agent), semaphore(agent)
    first.acquire()
    second.acquire()
    entry = agent.entries["s/.lock"]
    assert entry.flags == SEMAPHORE_FLAGS
    assert json.loads(entry.value or b"") == {"Limit": 2, "Holders": dict.fromkeys(sorted(agent.sessions), True)}
    with pytest.raises(LockTimeout):
        semaphore(agent, timeout=0.01).acquire()
    first.release()
    with pytest.raises(LockInUse):
        first.destroy()
    second.release()
    first.destroy()
    assert agent.entries == {} and agent.sessions == {}


def test_a_semaphore_s_place_is_taken_over_from_a_holder_whose_session_ended(agent):
    first, second = semaphore(agent, limit=1), semaphore(agent, limit=1)
    lost = first.acquire()
    agent.end_session(next(iter(agent.sessions)))
    second.acquire()
    assert lost.wait(5)
    second.release()


@pytest.mark.parametrize(
    ("flags", "value", "complaint"),
    [
        pytest.param(0, b"{}", "Existing key does not match semaphore use", id="no semaphore"),
        pytest.param(SEMAPHORE_FLAGS, b"{", "Existing key does not match semaphore use", id="unreadable"),
        pytest.param(SEMAPHORE_FLAGS, b"[]", "Existing key does not match semaphore use", id="not its document"),
        pytest.param(SEMAPHORE_FLAGS, b'{"Limit":3,"Holders":{}}', r"semaphore limit conflict \(lock: 3, local: 2\)", id="another limit"),
    ],
)
def test_a_semaphore_of_another_kind_is_left_alone(agent, flags, value, complaint):
    agent.put("s/.lock", value, flags=flags)
    with pytest.raises(LockConflict, match=complaint):
        semaphore(agent).acquire()
    assert agent.entries["s/.lock"].value == value
    assert agent.sessions == {}


def test_a_semaphore_without_places_is_refused(agent):
    with pytest.raises(LockConflict):
        semaphore(agent, limit=0)
