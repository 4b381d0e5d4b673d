"""The agent in the process of a test: what it serves, what it leaves behind, what it refuses."""

import gc
import logging
import os
import socket
import statistics
import threading
import time

import dns.message
import dns.query
import pytest

from muster.model.errors import ConfigurationError
from muster.testing import Server


def seconds_to_start() -> float:
    server = Server(services=[{"name": "web", "port": 80}])
    begin = time.process_time()
    server.start()
    taken = time.process_time() - begin
    server.stop()
    return taken


@pytest.fixture
def taken_port():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_start_takes_less_than_100_milliseconds_of_work():
    seconds_to_start()  # imports
    assert statistics.median(seconds_to_start() for _ in range(5)) < 0.1


def test_values_are_kept_by_key():
    with Server() as server:
        assert server.client.kv.get("web/port").value is None
        assert server.client.kv.put("web/port", b"80")
        assert server.client.kv.get("web/port").value.value == b"80"


def test_services_are_in_the_catalog_when_start_returns():
    with Server(services=[{"name": "web", "port": 80, "tags": ["v1"]}], config={"service": {"name": "db"}}) as server:
        assert server.client.catalog.services().value == {"consul": [], "db": [], "web": ["v1"]}
        assert [one.service_port for one in server.client.catalog.service("web").value] == [80]


def test_a_lock_excludes_a_second_holder():
    with Server() as server:
        with server.client.lock("leader", value=b"first"):
            assert not server.client.kv.put("leader", b"second", acquire=server.client.session.create())
            assert server.client.kv.get("leader").value.value == b"first"
        assert server.client.kv.get("leader").value.session == ""


@pytest.mark.parametrize("ask", [pytest.param(dns.query.udp, id="UDP"), pytest.param(dns.query.tcp, id="TCP")])
def test_dns_answers(ask):
    with Server(services=[{"name": "web", "port": 80, "address": "10.1.2.3"}]) as server:
        answer = ask(dns.message.make_query("web.service.consul", "A"), "127.0.0.1", port=server.dns_port, timeout=5)
        assert [record.to_text() for record in answer.answer[0]] == ["10.1.2.3"]


def test_dns_can_be_switched_off():
    with Server(config={"ports": {"dns": -1}}) as server:
        assert server.dns_port == -1


def test_two_servers_side_by_side_do_not_see_each_other():
    with Server() as one, Server(config={"datacenter": "east"}) as other:
        one.client.kv.put("key", b"one")
        assert one.http_port != other.http_port
        assert one.dns_port != other.dns_port
        assert other.client.kv.get("key").value is None
        assert (one.client.catalog.datacenters(), other.client.catalog.datacenters()) == (["dc1"], ["east"])


def test_addresses_name_the_port():
    with Server() as server:
        assert server.address == f"127.0.0.1:{server.http_port}"
        assert server.url == f"http://127.0.0.1:{server.http_port}"


def test_the_address_follows_the_configuration(tmp_path):
    with Server(config={"client_addr": "127.0.0.2"}) as server:
        assert server.address == f"127.0.0.2:{server.http_port}"
        assert server.client.status.leader()
    with Server(config={"addresses": {"http": f"unix://{tmp_path}/http.sock"}}) as server:
        assert server.address == server.url == f"unix://{tmp_path}/http.sock"
        assert server.client.status.leader()


def test_chosen_ports_stay_over_a_restart(tmp_path):
    with Server() as server:
        ports = {"http": server.http_port, "dns": server.dns_port}
    chosen = Server(config={"ports": ports})
    for _ in range(2):
        with chosen:
            assert {"http": chosen.http_port, "dns": chosen.dns_port} == ports
            assert chosen.client.status.leader()


def test_watches_reach_the_agent_on_its_free_port(tmp_path):
    seen = tmp_path / "seen"
    os.mkfifo(seen)
    watch = {"type": "key", "key": "wanted", "args": ["sh", "-c", f"cat > {seen}"]}
    with Server(config={"watches": [watch]}) as server:
        server.client.kv.put("wanted", b"1")
        payload = seen.read_text()  # waits for the watch; the first one may tell that there is no such key yet
        if '"wanted"' not in payload:
            payload = seen.read_text()
    assert '"wanted"' in payload


def test_the_agent_knows_the_ports_it_was_given():
    with Server() as server:
        known = server.client.agent.self().debug_config
        assert (known["HTTPPort"], known["DNSPort"]) == (server.http_port, server.dns_port)


def test_a_restart_with_a_data_directory_keeps_data(tmp_path):
    server = Server(data_dir=tmp_path)
    with server:
        server.client.kv.put("key", b"kept")
    with server:
        assert server.client.kv.get("key").value.value == b"kept"
    with Server(data_dir=str(tmp_path)) as another:
        assert another.client.kv.get("key").value.value == b"kept"


def test_a_restart_with_a_data_directory_takes_a_changed_definition(tmp_path):
    with Server(data_dir=tmp_path, services=[{"name": "web", "port": 80}, {"name": "old"}]):
        pass
    with Server(data_dir=tmp_path, services=[{"name": "web", "port": 81}]) as server:
        assert server.client.catalog.services().value == {"consul": [], "web": []}
        assert [one.service_port for one in server.client.catalog.service("web").value] == [81]


def test_a_restart_in_memory_begins_empty():
    server = Server()
    with server:
        server.client.kv.put("key", b"lost")
    with server:
        assert server.client.kv.get("key").value is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param({"config": {"datacentre": "east"}}, "datacentre", id="unknown key"),
        pytest.param({"config": {"ports": {"http": "many"}}}, "ports.http", id="wrong type"),
        pytest.param({"config": {"datacenter": "no spaces"}}, "datacenter", id="value that a rule refuses"),
        pytest.param({"config": {"server": False}}, "server", id="client agent"),
        pytest.param({"config": {"ports": {"http": -1}}}, "needs its HTTP API", id="no HTTP"),
        pytest.param({"services": [{"name": "web", "prot": 80}]}, "prot", id="unknown key of a service"),
        pytest.param({"services": [{"name": ""}]}, "service", id="service without a name"),
    ],
)
def test_a_wrong_configuration_is_raised_by_start(options, text):
    before = threading.active_count()
    with pytest.raises(ConfigurationError, match=text):
        Server(**options).start()
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["http", "dns"])
def test_a_taken_port_is_raised_by_start_and_nothing_stays(kind, taken_port, tmp_path):
    before = threading.active_count()
    with pytest.raises(ConfigurationError, match="choose other ports"):
        Server(config={"ports": {kind: taken_port}}, data_dir=tmp_path).start()
    assert threading.active_count() == before


def test_a_data_directory_that_is_a_file_is_raised_by_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="is not a directory"):
        Server(data_dir=tmp_path / "file").start()


def test_a_second_start_is_refused_and_the_first_server_lives_on():
    with Server() as server:
        with pytest.raises(RuntimeError, match="runs already"):
            server.start()
        assert server.client.status.leader()


@pytest.mark.filterwarnings("error")
def test_stop_frees_ports_and_threads_even_with_a_query_parked(tmp_path):
    before = threading.active_count()
    server = Server(data_dir=tmp_path)
    server.start()
    ports = [(socket.SOCK_STREAM, server.http_port), (socket.SOCK_STREAM, server.dns_port), (socket.SOCK_DGRAM, server.dns_port)]
    with socket.create_connection(("127.0.0.1", server.http_port)) as parked:
        parked.sendall(b"GET /v1/kv/none?index=1&wait=60s HTTP/1.1\r\nHost: x\r\n\r\n")
        server.client.status.leader()
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 4
    for kind, port in ports:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that ended may linger
            probe.bind(("127.0.0.1", port))
    gc.collect()  # what was left open would warn now
    assert threading.active_count() == before


def test_stop_without_a_start_does_nothing():
    Server().stop()


def test_the_process_is_left_as_it_was():
    root = logging.getLogger()
    before = (gc.get_threshold(), gc.get_freeze_count(), root.level, list(root.handlers), logging.getLogger("agent").handlers[:])
    with Server():
        during = (gc.get_threshold(), gc.get_freeze_count(), root.level, list(root.handlers), logging.getLogger("agent").handlers[:])
    assert during == before
