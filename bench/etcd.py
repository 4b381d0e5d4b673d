#!/usr/bin/env python3
"""Measures puts of Muster beside puts of etcd 3.4, in turn, in one run: on one server or on three, all on disk.

    peers=$(scripts/get-peers)
    python3 bench/etcd.py --muster .venv/bin/muster --etcd $peers/etcd --servers 3

64 connections, each with one put under way, on the leader: etcd by gRPC with h2load (Debian package nghttp2-client), Muster by
HTTP with wrk. Every put changes something in both: etcd makes a new revision of one key (and the number of revisions is checked
against the answers that h2load counts), Muster gets a new value for one of 1,000 keys. As in `versus.py` both run at the same time,
are loaded alternately, and the ratio of the medians is the figure to quote. Keys of 7-9 bytes, values of 27 bytes.
"""

import argparse
import contextlib
import json
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPException
from pathlib import Path

sys.dont_write_bytecode = True

from loads import wrk  # noqa: E402
from servers import Contender, Server  # noqa: E402
from wire import call  # noqa: E402

CONNECTIONS = 64
KEY, VALUE = b"bench/7", b"value-0123456789-0123456789"


def put_message() -> bytes:
    """A PutRequest (field 1 key, field 2 value) as one message of gRPC: a flag, the length, the protobuf."""
    message = b"\x0a%c%b\x12%c%b" % (len(KEY), KEY, len(VALUE), VALUE)
    return b"\0" + len(message).to_bytes(4, "big") + message


class Member(Server):
    """One etcd process; the base class knows what a process uses."""

    def __init__(self, program: list[str], folder: Path, name: str, client: int, peer: int, all_peers: str) -> None:
        self.http, self.folder = client, folder
        folder.mkdir(parents=True)
        self.arguments = [
            *program, f"--name={name}", f"--data-dir={folder / 'data'}", "--log-level=error", "--logger=zap",
            f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster={all_peers}",
        ]  # fmt: skip
        self.process = None

    def status(self) -> dict:
        return json.loads(call(self.http, "POST", "/v3/maintenance/status", "{}", timeout=5)[1])


class Etcd:
    """A cluster of etcd."""

    def __init__(self, program: str, count: int, base: int, root: Path) -> None:
        self.root = root
        peers = ",".join(f"m{i}=http://127.0.0.1:{base + 10 * i + 1}" for i in range(count))
        self.members = [
            Member(shlex.split(program), root / f"m{i}", f"m{i}", base + 10 * i, base + 10 * i + 1, peers) for i in range(count)
        ]
        self.message = root / "put"
        self.message.write_bytes(put_message())

    def start(self, limit: float = 30) -> None:
        for member in self.members:
            member.start()
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, KeyError, HTTPException):
                self.leader()
                return
            time.sleep(0.1)  # a foreign program: nothing tells when it leads
        raise SystemExit(f"etcd has no leader within {limit:.0f} s")

    def leader(self) -> Member:
        for member in self.members:
            status = member.status()
            if status["leader"] != "0" and status["leader"] == status["header"]["member_id"]:
                return member
        raise KeyError("leader")

    def puts(self, seconds: int) -> float:
        """Puts per second, all of which made a revision."""
        leader = self.leader()
        before, begin = int(leader.status()["header"]["revision"]), time.monotonic()
        command = ["h2load", "-t1", f"-c{CONNECTIONS}", "-m1", f"-D{seconds}", "-d", str(self.message)]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        command.append(f"http://127.0.0.1:{leader.http}/etcdserverpb.KV/Put")
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        took = time.monotonic() - begin
        rate = float(output.split("finished in")[1].split(",")[1].split()[0])
        made = int(leader.status()["header"]["revision"]) - before
        if not rate * seconds * 0.95 <= made <= rate * took * 1.05 + CONNECTIONS:
            raise SystemExit(f"etcd made {made} revisions while h2load counted {rate:.0f} answers a second for {seconds} s")
        return rate

    def stop(self) -> None:
        for member in self.members:
            member.stop(kill=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--muster", required=True, help="Muster as a command line")
    parser.add_argument("--etcd", required=True, help="etcd as a command line")
    parser.add_argument("--servers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--base-port", type=int, default=24800)
    options = parser.parse_args()
    for needed in ("wrk", "h2load"):
        if not shutil.which(needed):
            raise SystemExit(f"etcd.py needs {needed} (Debian packages wrk and nghttp2-client)")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="etcd-bench-") as folder:
        muster = Contender("muster", options.muster, "single" if options.servers == 1 else "cluster3", options.base_port, Path(folder))
        etcd = Etcd(options.etcd, options.servers, options.base_port + 100, Path(folder) / "etcd")
        rates: tuple[list[float], list[float]] = ([], [])
        try:
            muster.start()
            etcd.start()
            for _ in range(options.pairs):
                muster.rest()
                rates[0].append(wrk(muster, muster.leader, "/", options.seconds, CONNECTIONS, "kv-put-new"))
                muster.rest()
                rates[1].append(etcd.puts(options.seconds))
        finally:
            muster.stop(kill=True)
            etcd.stop()
    shown = [f"{statistics.median(own):,.0f}/s ({min(own):,.0f}..{max(own):,.0f})" for own in rates]
    ratio = statistics.median(rates[0]) / statistics.median(rates[1])
    print(f"put, {options.servers} server(s): Muster {shown[0]}, etcd {shown[1]}: {ratio:.2f}")


if __name__ == "__main__":
    main()
