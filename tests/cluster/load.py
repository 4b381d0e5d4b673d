"""Clients in a process of their own: writers, readers and lockers that speak HTTP to all servers and write down what they were told.

Run as a program: `load.py FILE ADDRESS...`. Its standard input takes `servers ADDRESS...` (from now on) and `phase NAME` (new keys from now on);
at its end the load ends. What nobody answered for certain is recorded without a time of return; what surely was not done is not recorded.
"""

import base64
import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from histories import KEPT, LOCKS, SHARED, line

from muster.testing.linearizability import CAS, GET, LOCK, SET, UNLOCK, Operation

PORT = 8500
REGISTERS = 4  # in each phase
PATIENCE = 6.0  # seconds for an answer, of those whose history is judged: what stays in doubt makes that hard
PAUSE = 0.06  # seconds between two operations of one client
WRITERS, READERS, KEEPERS, LOCKERS = 3, 2, 2, 2
HOLDER = "holder"  # the node that owns the sessions: no member, so that nothing ends them


class Unknown(Exception):
    """Whether it was done, nobody knows."""


class Refused(Exception):
    """It was not done."""


class Book:
    """Takes down operations, from all threads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()

    def add(self, operation: Operation) -> None:
        with self._lock:
            self._file.write(line(operation))


class Load:
    """What all clients share."""

    def __init__(self, book: Book, servers: list[str]) -> None:
        self.book, self.servers, self.phase = book, servers, "0"
        self.ended = threading.Event()

    def command(self, line: str) -> None:
        word, *rest = line.split()
        if word == "servers":
            self.servers = rest
        elif word == "phase":
            self.phase = rest[0]
        else:
            raise SystemExit(f"load.py: {line!r} is no command")


class Client(threading.Thread):
    """One client: one operation at a time, at one server until that fails."""

    patience = PATIENCE

    def __init__(self, load: Load, number: int) -> None:
        super().__init__(daemon=True)
        self.load, self.number = load, number
        self.random = random.Random(number)
        self.server = load.servers[number % len(load.servers)]
        self.connection: http.client.HTTPConnection | None = None
        self.count = 0

    def run(self) -> None:
        while not self.load.ended.wait(PAUSE):
            self.step()

    def step(self) -> None:
        raise NotImplementedError

    def key(self, family: str, number: int) -> str:
        return f"{family}/{self.load.phase}/{number}"

    def unique(self) -> str:
        """A value that nobody writes again."""
        self.count += 1
        return f"{self.number}-{self.count}"

    def record(self, ask: Callable[[], str | bool | None], key: str, kind: str, **asked: Any) -> str | bool | None:
        """Does it and takes it down. Raises Refused, of which nothing is known, or Unknown."""
        began = time.monotonic()
        try:
            result = ask()
        except Unknown:
            if kind == GET:
                raise Refused from None  # a read that was not answered tells nothing
            self.load.book.add(Operation(client=str(self.number), key=key, kind=kind, began=began, **asked))
            self.move()
            raise
        ended = time.monotonic()
        self.load.book.add(Operation(client=str(self.number), key=key, kind=kind, began=began, ended=ended, result=result, **asked))
        return result

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        """(status, body). Raises Refused if the request cannot have arrived, Unknown if it may have."""
        if self.connection is None:
            connection = http.client.HTTPConnection(self.server, PORT, timeout=self.patience)
            try:
                connection.connect()
            except OSError:
                self.move()
                raise Refused from None
            self.connection = connection
        try:
            self.connection.request(method, path, body)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise Unknown from None

    def truth(self, path: str, body: str | None = None) -> bool:
        """What a write says of itself."""
        status, answer = self.ask("PUT", path, body)
        if status != 200:
            raise Unknown
        return bool(json.loads(answer))

    def read(self, key: str) -> tuple[str | None, int]:
        """(value, ModifyIndex) of a consistent read."""
        status, answer = self.ask("GET", f"/v1/kv/{key}?consistent")
        if status == 404:
            return None, 0
        if status != 200:
            self.move()
            raise Refused
        row = json.loads(answer)[0]
        return base64.b64decode(row["Value"]).decode(), row["ModifyIndex"]

    def move(self) -> None:
        """To another server."""
        self.close()
        servers = self.load.servers
        self.server = self.random.choice([server for server in servers if server != self.server] or servers)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Writer(Client):
    """Sets registers, or compares and sets them."""

    def step(self) -> None:
        key, value = self.key(SHARED, self.random.randrange(REGISTERS)), self.unique()
        try:
            if self.random.random() < 0.5:
                self.record(lambda: self.truth(f"/v1/kv/{key}", value), key, SET, value=value)
            else:
                self.compare_and_set(key, value)
        except (Refused, Unknown):
            return

    def compare_and_set(self, key: str, value: str) -> None:
        index = 0

        def read() -> str | None:
            nonlocal index
            found, index = self.read(key)
            return found

        expected = self.record(read, key, GET)
        self.record(lambda: self.truth(f"/v1/kv/{key}?cas={index}", value), key, CAS, value=value, expected=expected)


class Reader(Client):
    """Reads registers, consistently."""

    def step(self) -> None:
        key = self.key(SHARED, self.random.randrange(REGISTERS))
        try:
            self.record(lambda: self.read(key)[0], key, GET)
        except (Refused, Unknown):
            return


class Keeper(Client):
    """Writes keys that must be there ever after. Impatient, so that the time in which nothing can be written is seen."""

    patience = 1.0

    def step(self) -> None:
        value = self.unique()
        key = f"{KEPT}/{self.load.phase}/{value}"
        try:
            self.record(lambda: self.truth(f"/v1/kv/{key}", value), key, SET, value=value)
        except (Refused, Unknown):
            return


class Locker(Client):
    """Locks and unlocks one key, with a session of its own that does not end."""

    session = ""
    holds = ""  # or may hold: what nobody answered is made certain by unlocking

    def step(self) -> None:
        try:
            if not self.session:
                self.session = self.make_session()
            elif self.holds:
                self.change(self.holds, "release", UNLOCK)
                self.holds = ""
            else:
                self.lock(self.key(LOCKS, 0))
        except (Refused, Unknown):
            return

    def lock(self, key: str) -> None:
        self.holds = key
        try:
            if not self.change(key, "acquire", LOCK):
                self.holds = ""
        except Refused:
            self.holds = ""
            raise

    def change(self, key: str, word: str, kind: str) -> bool:
        value, path = self.unique(), f"/v1/kv/{key}?{word}={self.session}"
        return bool(self.record(lambda: self.truth(path, value), key, kind, value=value, session=self.session))

    def make_session(self) -> str:
        status, answer = self.ask("PUT", "/v1/session/create", json.dumps({"Node": HOLDER, "Checks": [], "LockDelay": "0s"}))
        if status != 200:
            self.move()
            raise Refused
        return json.loads(answer)["ID"]


def main(path: str, *servers: str) -> None:
    load = Load(Book(Path(path)), list(servers))
    kinds = [Writer] * WRITERS + [Reader] * READERS + [Keeper] * KEEPERS + [Locker] * LOCKERS
    clients = [kind(load, number) for number, kind in enumerate(kinds)]
    for client in clients:
        client.start()
    print("running", flush=True)
    for command in sys.stdin:
        load.command(command)
    load.ended.set()
    for client in clients:
        client.join(2 * PATIENCE)


if __name__ == "__main__":
    main(*sys.argv[1:])
