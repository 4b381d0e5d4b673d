"""The sockets: addresses, limits by client, TLS, Unix sockets, descriptors exhausted, going down."""

import asyncio
import errno
import os
import socket
import ssl
import stat
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from http_edge import Clock, FakeAgent, until

from muster.agent.config.config import Config
from muster.agent.config.sections import Addresses, Http, Limits, Ports, Tls, UnixSockets
from muster.http import listener as http
from muster.http.addresses import remove_socket_file, settings_of, tls_context
from muster.http.listener import Listener
from muster.model.errors import ConfigurationError
from muster.wire.replies import Reply

GET = b"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\n"


def config(**changes: Any) -> Config:
    changes.setdefault("ports", Ports(http=0))
    return Config(node_name="here", **changes)


def serve(settings: Config, test: Callable[[Listener, FakeAgent], Awaitable[None]]) -> None:
    """Runs a test against real sockets."""

    async def inside() -> None:
        agent = FakeAgent()
        agent.answers["KVS.Get"] = Reply(value=None, index=7)
        listener = await http.start(agent, settings, metrics=None, clock=Clock())
        try:
            await asyncio.wait_for(test(listener, agent), 10)
        finally:
            await listener.close(drain=1.0)

    asyncio.run(inside())


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(GET)
    return await reader.readuntil(b"\r\n\r\n")


def test_requests_over_a_socket() -> None:
    async def test(listener: Listener, agent: FakeAgent) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        for _ in range(3):
            assert b"X-Consul-Index: 7" in await ask(reader, writer)
        writer.close()

    serve(config(), test)


def test_every_client_address_is_listened_on() -> None:
    async def test(listener: Listener, agent: FakeAgent) -> None:
        for host, port in zip(("127.0.0.1", "127.0.0.2"), listener.ports, strict=True):
            reader, writer = await asyncio.open_connection(host, port)
            assert b"404 Not Found" in await ask(reader, writer)
            writer.close()

    serve(config(addresses=Addresses(http=("127.0.0.1", "127.0.0.2"))), test)


def test_a_client_with_too_many_connections_is_turned_away() -> None:
    async def test(listener: Listener, agent: FakeAgent) -> None:
        port = listener.ports[0]
        first = await asyncio.open_connection("127.0.0.1", port)
        second = await asyncio.open_connection("127.0.0.1", port)
        await ask(*first)
        await ask(*second)
        refused, _ = await asyncio.open_connection("127.0.0.1", port)
        assert await refused.read() == b""
        first[1].close()
        await until(lambda: listener.connections == 1)
        assert b"404" in await ask(*await asyncio.open_connection("127.0.0.1", port))

    serve(config(limits=Limits(http_max_connections_per_client=2)), test)


def test_a_unix_socket_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"

    async def test(listener: Listener, agent: FakeAgent) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o770
        assert b"404" in await ask(*await asyncio.open_unix_connection(path))

    serve(config(addresses=Addresses(http=(f"unix://{path}",)), unix_sockets=UnixSockets(mode="770", user=str(os.getuid()))), test)
    assert not path.exists()


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("x")
    remove_socket_file(str(path))
    assert path.read_text() == "x"
    with pytest.raises(ConfigurationError):
        serve(config(addresses=Addresses(http=(f"unix://{path}",))), None)  # type: ignore[arg-type]


def test_an_unknown_owner_of_a_unix_socket_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nobody-of-that-name"):
        serve(config(addresses=Addresses(http=(f"unix://{tmp_path}/s",)), unix_sockets=UnixSockets(user="nobody-of-that-name")), None)  # type: ignore[arg-type]


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match=f"127.0.0.1:{taken.getsockname()[1]}"):
        serve(config(ports=Ports(http=taken.getsockname()[1])), None)  # type: ignore[arg-type]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return key, cert


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_https(certificate: tuple[Path, Path]) -> None:
    key, cert = certificate
    port = free_port()

    async def test(listener: Listener, agent: FakeAgent) -> None:
        client = ssl.create_default_context(cafile=str(cert))
        client.check_hostname = False
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        assert b"X-Consul-Index: 7" in await ask(reader, writer)
        writer.close()
        plain, plain_writer = await asyncio.open_connection("127.0.0.1", port)
        plain_writer.write(GET)
        assert b"HTTP" not in await plain.read()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        assert b"404" in await ask(reader, writer)

    serve(config(ports=Ports(http=-1, https=port), tls=Tls(cert_file=str(cert), key_file=str(key))), test)


def test_https_without_certificate_names_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cert_file and key_file"):
        tls_context(Tls())
    with pytest.raises(ConfigurationError, match=r"absent\.pem"):
        tls_context(Tls(cert_file=str(tmp_path / "absent.pem"), key_file=str(tmp_path / "k")))


def test_out_of_descriptors_accepting_rests_and_goes_on(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    class Exhausted:
        """A socket whose accept fails as if the process held too many descriptors."""

        calls = 0

        def __init__(self, inner: socket.socket) -> None:
            self.inner = inner

        def accept(self) -> Any:
            Exhausted.calls += 1
            raise OSError(errno.EMFILE, "Too many open files")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    async def test(listener: Listener, agent: FakeAgent) -> None:
        door = listener._doors[0]
        inner = door.socket
        door.socket = Exhausted(inner)  # type: ignore[assignment]
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        writer.write(GET)
        await until(lambda: door.resting)
        for _ in range(20):
            await asyncio.sleep(0)
        assert Exhausted.calls == 1
        listener.sweep()
        await until(lambda: door.resting)
        door.socket = inner
        listener.sweep()
        assert b"404" in await reader.readuntil(b"\r\n\r\n")
        assert [record.getMessage() for record in caplog.records if "cannot accept" in record.getMessage()] == [
            "cannot accept connections: [Errno 24] Too many open files"
        ]

    serve(config(), test)


def test_going_down_withdraws_what_is_parked_and_closes() -> None:
    async def test(listener: Listener, agent: FakeAgent) -> None:
        future = asyncio.get_running_loop().create_future()
        agent.answers["KVS.Get"] = future
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        writer.write(GET)
        await until(lambda: bool(agent.asked))
        await listener.close(drain=5.0)
        assert future.cancelled()
        assert await reader.read() == b""

    serve(config(), test)


def test_going_down_lets_a_stream_end() -> None:
    entries = 3000

    async def test(listener: Listener, agent: FakeAgent) -> None:
        agent.answers["KVS.ListKeys"] = Reply(value=[f"k{number}" for number in range(entries)], index=1)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.ports[0])
        writer.write(b"GET /v1/kv/?keys HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: bool(agent.asked))
        closing = asyncio.ensure_future(listener.close(drain=5.0))
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        await closing

    serve(config(), test)


def test_the_settings_are_those_of_the_configuration() -> None:
    settings = settings_of(
        config(
            datacenter="here",
            dev=True,
            http=Http(block_endpoints=("/v1/x",), allow_write_http_from=("10.0.0.0/8",), response_headers={"A": "b"}),
            limits=Limits(kv_max_value_size=5, transaction_max_request_length=6),
        )
    )
    assert (settings.datacenter, settings.pretty, settings.kv_max_value_size, settings.txn_max_req_len) == ("here", True, 5, 6)
    assert settings.is_blocked("/v1/x/y")
    assert settings.may_write("10.9.9.9")
    assert not settings.may_write("11.0.0.1")
    assert not settings.may_write("")
    assert settings.common_headers() == b"A: b\r\nVary: Accept-Encoding\r\n"
