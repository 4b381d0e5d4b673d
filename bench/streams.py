"""What a thousand open streams of changes cost a server, beside a thousand blocking queries that wait for the same key.

    .venv/bin/python bench/streams.py [--clients 1000] [--changes 100]

Printed: memory over idle with all connected, and the server's CPU for each change until every client has it.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from agents import AgentProcess

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process_id):
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class StreamClient:
    def __init__(self, port):
        self.port, self.index = port, 0

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(b"GET /v1/muster/stream?topics=keys&prefix=w HTTP/1.1\r\nHost: x\r\n\r\n")
        await self.event()

    async def event(self):
        while not (line := await self.reader.readline()).startswith(b"id: "):
            assert line
        self.index = int(line[4:])

    async def until(self, index):
        while self.index < index:
            await self.event()


class QueryClient:
    def __init__(self, port):
        self.port, self.index = port, 0

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.ask()
        await self.answer()
        self.ask()

    def ask(self):
        wait = f"?index={self.index}&wait=60s" if self.index else ""
        self.writer.write(f"GET /v1/kv/w{wait} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    async def answer(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        await self.reader.readexactly(int(headers[b"Content-Length"]))
        self.index = int(headers[b"X-Consul-Index"])

    async def until(self, index):
        while self.index < index:
            await self.answer()
            self.ask()


async def measured(agent, kind, clients, changes):
    before = agent.memory()
    opened = [kind(agent.http) for _ in range(clients)]
    for start in range(0, clients, 50):
        await asyncio.gather(*(client.open() for client in opened[start : start + 50]))
    await asyncio.sleep(1)
    memory = agent.memory() - before
    begun, used = time.perf_counter(), cpu_seconds(agent.process.pid)
    for number in range(changes):
        await asyncio.to_thread(agent.call, "PUT", "/v1/kv/w", str(number))
        index = int((await asyncio.to_thread(agent.call, "GET", "/v1/kv/w"))[2]["x-consul-index"])
        await asyncio.gather(*(client.until(index) for client in opened))
    used, took = cpu_seconds(agent.process.pid) - used, time.perf_counter() - begun
    for client in opened:
        client.writer.close()
    return memory, used / changes, took / changes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=100)
    given = parser.parse_args()
    for name, kind in (("blocking queries", QueryClient), ("streams", StreamClient)):
        with tempfile.TemporaryDirectory() as folder, AgentProcess(Path(folder), "-dev", config={"limits": {"http_max_conns_per_client": 20000}}) as agent:
            agent.call("PUT", "/v1/kv/w", "first")
            memory, cpu, took = asyncio.run(measured(agent, kind, given.clients, given.changes))
            print(f"{given.clients} {name}: {memory:.1f} MB, {cpu * 1000:.1f} ms CPU a change, all told after {took * 1000:.0f} ms")


if __name__ == "__main__":
    main()
