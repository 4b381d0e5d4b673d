"""Each kind of check against something real on this host."""

import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from agent_fakes import settle

from muster.agent.checks.docker import DockerCheck
from muster.agent.checks.http import HttpCheck
from muster.agent.checks.http2 import GrpcCheck, Http2PingCheck, health_request, serving_status
from muster.agent.checks.result import Result
from muster.agent.checks.script import ScriptCheck
from muster.agent.checks.tcp import TcpCheck
from muster.agent.checks.udp import UdpCheck


def closed_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def against(handler: Handler, check: Callable[[int], object], path: str = "") -> Result:
    """The result of a check of a server that does what `handler` says."""

    async def main() -> Result:
        running: list[tuple[asyncio.Task[None], asyncio.StreamWriter]] = []

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            running.append((asyncio.ensure_future(handler(reader, writer)), writer))

        server = await (asyncio.start_unix_server(accept, path) if path else asyncio.start_server(accept, "127.0.0.1", 0))
        port = 0 if path else server.sockets[0].getsockname()[1]
        try:
            result: Result = await check(port).run()
            return result
        finally:
            server.close()
            for task, writer in running:
                task.cancel()
                writer.transport.abort()
            await asyncio.gather(*(task for task, _ in running), return_exceptions=True)
            await settle()

    return asyncio.run(main())


def http_answer(status: str, body: bytes = b"hello", seen: list[bytes] | None = None) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(request)
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body))
        await writer.drain()
        writer.close()

    return handle


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param("200 OK", "passing", id="200"),
        pytest.param("204 No Content", "passing", id="204"),
        pytest.param("429 Too Many Requests", "warning", id="429"),
        pytest.param("404 Not Found", "critical", id="404"),
        pytest.param("500 Internal Server Error", "critical", id="500"),
    ],
)
def test_an_http_check_judges_by_the_status(answer: str, status: str) -> None:
    result = against(
        http_answer(answer, b"" if answer.startswith("204") else b"hello"), lambda port: HttpCheck(f"http://127.0.0.1:{port}/x")
    )
    assert result.status == status
    assert f": {answer} Output: " in result.output


def test_an_http_check_sends_what_its_owner_wrote_and_reads_no_more_than_its_limit() -> None:
    seen: list[bytes] = []
    header = {"X-One": ["1", "2"], "Host": ["web.example"]}
    check = lambda port: HttpCheck(f"http://127.0.0.1:{port}/x", "PUT", header, "body", output_limit=7)  # noqa: E731
    result = against(http_answer("200 OK", b"x" * 100_000, seen), check)
    assert result.output.endswith("200 OK Output: xxxxxxx")
    lines = seen[0].split(b"\r\n")
    assert lines[0] == b"PUT /x HTTP/1.1"
    assert {b"X-One: 1", b"X-One: 2", b"Host: web.example", b"User-Agent: Consul Health Check"} <= set(lines)


def test_an_http_check_of_a_closed_port_says_so_as_the_peer_does() -> None:
    port = closed_port()
    result = asyncio.run(HttpCheck(f"http://127.0.0.1:{port}/").run())
    assert result == Result("critical", f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused')


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


def test_an_http_server_that_says_nothing_is_critical_after_the_time_limit() -> None:
    result = against(silence, lambda port: HttpCheck(f"http://127.0.0.1:{port}/", timeout=0.05))
    assert result.status == "critical"
    assert "deadline exceeded" in result.output


@pytest.mark.parametrize(
    "url", [pytest.param("::bad", id="no URL"), pytest.param("ftp://x/", id="another scheme"), pytest.param("", id="nothing")]
)
def test_an_http_check_of_no_http_url_is_critical(url: str) -> None:
    assert asyncio.run(HttpCheck(url, timeout=1.0).run()).status == "critical"


def test_a_tcp_check_passes_where_something_listens() -> None:
    assert against(silence, lambda port: TcpCheck(f"127.0.0.1:{port}")).status == "passing"


def test_a_tcp_check_of_a_closed_port_says_so_as_the_peer_does() -> None:
    port = closed_port()
    expected = Result("critical", f"dial tcp 127.0.0.1:{port}: connect: connection refused")
    assert asyncio.run(TcpCheck(f"127.0.0.1:{port}").run()) == expected


@pytest.mark.parametrize(
    "address", [pytest.param("nonsense", id="no port"), pytest.param("h:99999", id="port too big"), pytest.param("a:b:c", id="two colons")]
)
def test_a_tcp_check_of_no_address_is_critical(address: str) -> None:
    assert asyncio.run(TcpCheck(address, 1.0).run()).status == "critical"


def test_a_udp_check_is_critical_only_where_the_port_is_refused() -> None:
    refused = asyncio.run(UdpCheck(f"127.0.0.1:{closed_port(socket.SOCK_DGRAM)}", 1.0).run())
    assert refused.status == "critical"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert asyncio.run(UdpCheck(address, 0.05).run()).status == "passing"


def script(*arguments: str, **options: object) -> Result:
    return asyncio.run(ScriptCheck(arguments, **options).run())


@pytest.mark.parametrize(("code", "status"), [(0, "passing"), (1, "warning"), (2, "critical"), (255, "critical")])
def test_a_script_is_judged_by_its_exit_status(code: int, status: str) -> None:
    assert script("sh", "-c", f"echo out; echo err >&2; exit {code}") == Result(status, "out\nerr\n")


def test_a_script_that_is_not_there_says_so_as_the_peer_does() -> None:
    assert script("/nonexistent") == Result("critical", "fork/exec /nonexistent: no such file or directory")
    assert script("no-such-program-here") == Result("critical", 'exec: "no-such-program-here": executable file not found in $PATH')


def is_gone(pid: int) -> bool:
    """Whether a killed process ends within 5 s; one that nobody reaps counts as ended."""
    try:
        psutil.Process(pid).wait(5)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def test_a_script_that_never_ends_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    result = script("sh", "-c", f"echo begun; sleep 1000 & echo $! > {pids}; echo $$ >> {pids}; wait", timeout=0.3)
    assert result == Result("critical", "Timed out (300ms) running check\n\nbegun\n")
    for pid in map(int, pids.read_text().split()):
        assert is_gone(pid), f"process {pid} is still there"


def test_a_child_that_holds_the_output_open_does_not_outlive_the_check(tmp_path: Path) -> None:
    begun = time.monotonic()
    script("sh", "-c", "sleep 1000 & exit 0", timeout=0.3)
    assert time.monotonic() - begun < 5.0


def test_a_check_that_prints_without_end_costs_no_memory() -> None:
    program = "import os\nblock = b'x' * 65536\nfor _ in range(3200): os.write(1, block)\nos.write(1, b'the end')"
    process = psutil.Process()
    before = process.memory_info().rss
    result = script(sys.executable, "-c", program)
    assert result.output.endswith("the end")
    assert result.output.startswith(f"Captured 4096 of {3200 * 65536 + 7} bytes\n...\n")
    assert process.memory_info().rss - before < 30_000_000


def http2_server(answer: Callable[[object, int], None]) -> Handler:
    """A server that calls `answer(connection, stream)` when a request has come in whole."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection
        from h2.events import StreamEnded

        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(4096):
            for event in connection.receive_data(data):
                if isinstance(event, StreamEnded):
                    answer(connection, event.stream_id)
            writer.write(connection.data_to_send())
        writer.close()

    return handle


def health(status: int, grpc_status: str = "0", message: str = "") -> Callable[[object, int], None]:
    def answer(connection: object, stream: int) -> None:
        connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        connection.send_data(stream, b"\x00\x00\x00\x00\x02\x08" + bytes([status]))
        connection.send_headers(stream, [("grpc-status", grpc_status), ("grpc-message", message)], end_stream=True)

    return answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(health(1), ("passing", "gRPC check 127.0.0.1:PORT/web: success"), id="serving"),
        pytest.param(health(2), ("critical", "gRPC application didn't report service healthy"), id="not serving"),
        pytest.param(
            health(0, "5", "unknown%20service"), ("critical", "rpc error: code = NotFound desc = unknown service"), id="unknown service"
        ),
        pytest.param(health(0, "999"), ("critical", "rpc error: code = Unknown desc = "), id="a code of no meaning"),
    ],
)
def test_a_grpc_check_believes_the_health_service(answer: Callable[[object, int], None], expected: tuple[str, str]) -> None:
    used: list[int] = []

    def check(port: int) -> GrpcCheck:
        used.append(port)
        return GrpcCheck(f"127.0.0.1:{port}/web", timeout=5.0)

    status, output = against(http2_server(answer), check)
    assert (status, output.replace(str(used[0]), "PORT")) == expected


def test_a_grpc_check_of_a_closed_port_says_so_as_the_peer_does() -> None:
    port = closed_port()
    dialled = f'connection error: desc = "transport: Error while dialing dial tcp 127.0.0.1:{port}: connect: connection refused"'
    assert asyncio.run(GrpcCheck(f"127.0.0.1:{port}").run()) == Result("critical", f"rpc error: code = Unavailable desc = {dialled}")


@pytest.mark.parametrize(
    "check", [pytest.param(GrpcCheck, id="gRPC"), pytest.param(lambda address: Http2PingCheck(address, tls=False), id="ping")]
)
def test_what_speaks_no_http2_is_critical(check: Callable[[str], object]) -> None:
    assert against(http_answer("400 Bad Request"), lambda port: check(f"127.0.0.1:{port}")).status == "critical"


def test_an_http2_ping_passes_where_it_is_answered() -> None:
    result = against(http2_server(health(1)), lambda port: Http2PingCheck(f"127.0.0.1:{port}", tls=False))
    assert result == Result("passing", "HTTP2 ping was successful")


def test_the_health_request_is_a_framed_message() -> None:
    assert health_request("") == b"\x00\x00\x00\x00\x00"
    assert health_request("web") == b"\x00\x00\x00\x00\x05\x0a\x03web"
    assert health_request("x" * 200)[5:8] == b"\x0a\xc8\x01"
    assert serving_status(b"") == 0


def docker(exit_code: int) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            path = head.split(b" ")[1]
            body = (
                b'{"Id":"e1"}'
                if path.startswith(b"/containers/")
                else b'{"ExitCode":%d}' % exit_code
                if path.endswith(b"/json")
                else b"inside\n"
            )
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
        writer.close()

    return handle


@pytest.mark.parametrize(("code", "status"), [(0, "passing"), (1, "warning"), (3, "critical")])
def test_a_docker_check_is_judged_by_the_exit_status_inside(code: int, status: str, tmp_path: Path) -> None:
    path = str(tmp_path / "docker.sock")
    assert against(docker(code), lambda _: DockerCheck("abc", ("true",), socket=path), path) == Result(status, "inside\n")


def test_a_docker_check_without_docker_says_so_as_the_peer_does(tmp_path: Path) -> None:
    path = str(tmp_path / "docker.sock")
    quoted = path.replace("/", "%2F")
    result = asyncio.run(DockerCheck("abc", ("true",), socket=path).run())
    dialled = f'Post "http://{quoted}/containers/abc/exec": dial unix {path}: connect: no such file or directory'
    assert result == Result("critical", f"create exec failed for container abc: {dialled}")
