"""Whole programs that live from what Consul tells them, unchanged: a load balancer, a monitor, and `consul watch` with a handler."""

import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from agents import AgentProcess, free_ports
from conftest import needs_program, peers_folder

pytestmark = [pytest.mark.slow, pytest.mark.peer]

LIMIT = 30.0  # seconds within which a program must have noticed; each looks every second or is told at once


class Instance:
    """One instance of the service "web": a server that says its name, registered with a TTL check."""

    def __init__(self, agent: AgentProcess, name: str) -> None:
        instance = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f'told_by{{name="{instance.name}"}} 1\n'.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.agent, self.name = agent, name
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def register(self) -> "Instance":
        service = {"ID": self.name, "Name": "web", "Tags": [f"from-{self.name}"], "Address": "127.0.0.1", "Port": self.port}
        self._put("/v1/agent/service/register", {**service, "Check": {"TTL": "1h", "Status": "passing"}})
        return self

    def deregister(self) -> None:
        self._put(f"/v1/agent/service/deregister/{self.name}")

    def turn(self, status: str) -> None:
        self._put(f"/v1/agent/check/{status}/service:{self.name}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _put(self, path: str, body: object = None) -> None:
        status, answer, _ = self.agent.call("PUT", path, json.dumps(body))
        assert status == 200, answer


@pytest.fixture
def agent(tmp_path) -> Iterator[AgentProcess]:
    with AgentProcess(tmp_path / "agent", "-dev", config={"telemetry": {"prometheus_retention_time": "60s"}}) as running:
        yield running


@pytest.fixture
def new_instance(agent) -> Iterator[Callable[[str], Instance]]:
    """Starts and registers instances, which end with the test."""
    made: list[Instance] = []

    def new(name: str) -> Instance:
        made.append(Instance(agent, name).register())
        return made[-1]

    yield new
    for instance in made:
        instance.close()


@contextmanager
def running(folder: Path, *command: object) -> Iterator[subprocess.Popen]:
    """A program with its output in a file; what it says is shown if the test fails."""
    log = folder / "program.log"
    with log.open("wb") as output:
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield process
    except BaseException as error:
        error.add_note(log.read_text(errors="replace")[-3000:])
        raise
    finally:
        process.terminate()
        process.wait(20)


def get(port: int, path: str = "/") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.read().decode()


HAPROXY = """
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
resolvers muster
  nameserver agent 127.0.0.1:{dns}
  accepted_payload_size 8192
  timeout resolve 200ms
  timeout retry 200ms
  hold valid 200ms
  hold obsolete 0s
frontend all
  bind 127.0.0.1:{port}
  default_backend web
backend web
  balance roundrobin
  option redispatch
  http-reuse never
  server-template web 5 _web._tcp.service.consul resolvers muster resolve-prefer ipv4 init-addr none
"""


def test_haproxy_follows_a_service_by_srv_records(agent, new_instance, tmp_path):
    program = needs_program("haproxy")
    (port,) = free_ports(1)
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(HAPROXY.format(dns=agent.dns, port=port))
    first, second = new_instance("one"), new_instance("two")

    def answered() -> set[str]:
        """Who answers a dozen requests; a round in which one is refused by all does not count."""
        return {get(port) for _ in range(12)}

    def answering(*instances: Instance) -> None:
        told = {f'told_by{{name="{instance.name}"}} 1\n' for instance in instances}
        agent.until(lambda: answered() == told, LIMIT, f"HAProxy asks {told}")

    with running(tmp_path, program, "-db", "-f", configuration):
        answering(first, second)
        second.turn("fail")
        answering(first)
        third = new_instance("three")
        answering(first, third)
        first.deregister()
        answering(third)
        second.turn("pass")
        answering(second, third)


PROMETHEUS = """
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: services
  consul_sd_configs:
  - server: 127.0.0.1:{http}
    services: [web]
    refresh_interval: 1s
  relabel_configs:
  - {{source_labels: [__meta_consul_service_id], target_label: service_id}}
  - {{source_labels: [__meta_consul_tags], target_label: tags}}
- job_name: agent
  metrics_path: /v1/agent/metrics
  params: {{format: [prometheus]}}
  static_configs: [{{targets: ["127.0.0.1:{http}"]}}]
"""


def test_prometheus_discovers_its_targets_and_reads_the_agents_metrics(tmp_path, new_instance, agent):
    program = peers_folder() / "prometheus"
    if not os.access(program, os.X_OK):
        pytest.skip("prometheus is not here: scripts/get-peers brings it")
    (port,) = free_ports(1)
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(PROMETHEUS.format(http=agent.http))
    first, second = new_instance("one"), new_instance("two")

    def targets() -> dict[str, dict]:
        """The targets of the service by their ids, if all were read."""
        active = json.loads(get(port, "/api/v1/targets"))["data"]["activeTargets"]
        assert [target["lastError"] for target in active if target["health"] == "down"] == []
        return {target["labels"]["service_id"]: target for target in active if target["labels"]["job"] == "services"}

    def watching(*instances: Instance) -> None:
        expected = {instance.name for instance in instances}
        agent.until(lambda: set(targets()) == expected, LIMIT, f"Prometheus watches {expected}")

    def value(expression: str) -> list[str]:
        results = json.loads(get(port, f"/api/v1/query?query={expression}"))["data"]["result"]
        return [result["value"][1] for result in results]

    command = (f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path / 'store'}", f"--web.listen-address=127.0.0.1:{port}")
    with running(tmp_path, program, *command):
        watching(first, second)
        assert targets()["one"]["labels"]["tags"] == ",from-one,"
        assert targets()["two"]["labels"]["instance"] == f"127.0.0.1:{second.port}"
        third = new_instance("three")
        second.deregister()
        watching(first, third)
        agent.until(lambda: value('up{job="services"}') == ["1", "1"], LIMIT, "both were read")
        agent.until(lambda: value('up{job="agent"}') == ["1"], LIMIT, "the agent's own metrics were read")
        assert value("consul_client_rpc") != [], "a counter of Consul's by its name"


def test_consul_watch_keeps_a_file_in_step_with_a_service(consul, agent, new_instance, tmp_path):
    rendered, passing = tmp_path / "rendered", "import json,os,sys; "
    passing += "ports = sorted(str(e['Service']['Port']) for e in json.load(sys.stdin)); "
    passing += f"open({str(rendered) + '.new'!r}, 'w').write(' '.join(ports)); os.replace({str(rendered) + '.new'!r}, {str(rendered)!r})"
    handler = tmp_path / "handler"
    handler.write_text(f"#!{sys.executable}\n{passing}\n")
    handler.chmod(0o755)

    def shows(*instances: Instance) -> None:
        ports = " ".join(sorted(str(instance.port) for instance in instances))
        agent.until(lambda: rendered.read_text() == ports, LIMIT, f"the file says {ports!r}")

    first = new_instance("one")
    with running(
        tmp_path, consul, "watch", f"-http-addr=127.0.0.1:{agent.http}", "-type=service", "-service=web", "-passingonly=true", handler
    ):
        shows(first)
        second = new_instance("two")
        shows(first, second)
        first.turn("fail")
        shows(second)
        first.turn("pass")
        shows(first, second)
        second.deregister()
        shows(first)
