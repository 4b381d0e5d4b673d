"""Registering, over restarts and reloads: nothing that was not touched changes."""

import json
import random
import stat
from pathlib import Path
from typing import Any

import pytest
from agent_fakes import ManualClock, in_loop

from muster.agent.checks.result import Result
from muster.agent.checks.runner import CheckRunner
from muster.agent.definitions import parse_check, parse_service
from muster.agent.loading import Loader
from muster.agent.persistence import Persistence, SavedState, digest
from muster.agent.registrar import LOCAL, REMOTE, CheckSettings, Registrar
from muster.agent.services import LocalState
from muster.model.errors import ConfigurationError, NotFound, Rejected, StorageFailed

SETTINGS = CheckSettings(remote_scripts=True, local_scripts=True)


class Host:
    """One run of an agent's registrations over a data directory."""

    def __init__(self, clock: ManualClock, directory: Path | None = None, settings: CheckSettings = SETTINGS) -> None:
        self.local = LocalState("n1", clock, random.Random(1))
        self.runner = CheckRunner(clock, random.Random(2), lambda check_id, result: self.registrar.result(check_id, result))
        self.registrar = Registrar(self.local, self.runner, settings, Persistence(str(directory)) if directory else None)
        self.loader = Loader(self.registrar)

    def statuses(self) -> dict[str, str]:
        return {name: check.status for name, check in self.local.checks().items()}

    def load(self, services: list[dict[str, Any]], checks: list[dict[str, Any]] | None = None) -> None:
        self.loader.load([(one, "file") for one in services], [(one, "file") for one in checks or []])


def files_under(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


@in_loop
async def test_checks_of_a_service_get_the_peers_ids(clock: ManualClock) -> None:
    host = Host(clock)
    host.registrar.register_service(parse_service({"Name": "one", "Check": {"TTL": "1h"}}), REMOTE)
    host.registrar.register_service(parse_service({"Name": "two", "Checks": [{"TTL": "1h"}, {"CheckID": "own", "TTL": "1h"}]}), REMOTE)
    assert list(host.local.checks()) == ["service:one", "service:two:1", "own"]
    await host.runner.stop()


@in_loop
async def test_registering_again_keeps_the_status_and_other_checks_unless_they_are_to_be_replaced(clock: ManualClock) -> None:
    host = Host(clock)
    web = {"Name": "web", "Checks": [{"CheckID": "a", "TTL": "1h"}, {"CheckID": "b", "TTL": "1h"}]}
    host.registrar.register_service(parse_service(web), REMOTE)
    host.registrar.report_ttl("a", "passing", "well")
    again = parse_service({"Name": "web", "Check": {"CheckID": "a", "TTL": "2h"}})
    host.registrar.register_service(again, REMOTE)
    assert host.statuses() == {"a": "passing", "b": "critical"}
    host.registrar.register_service(again, REMOTE, replace_checks=True)
    assert host.statuses() == {"a": "passing"}
    await host.runner.stop()


@in_loop
async def test_a_sidecar_comes_and_goes_with_its_service(clock: ManualClock) -> None:
    host = Host(clock)
    host.registrar.register_service(parse_service({"Name": "web", "Port": 90, "Tags": ["t"], "Connect": {"SidecarService": {}}}), REMOTE)
    sidecar = host.local.service("web-sidecar-proxy")
    assert sidecar is not None
    assert (sidecar.kind, sidecar.port, sidecar.tags, sidecar.proxy.local_service_port) == ("connect-proxy", 21000, ["t"], 90)
    names = {check.name for check in host.local.checks().values()}
    assert names == {"Connect Sidecar Listening", "Connect Sidecar Aliasing web"}
    host.registrar.register_service(parse_service({"Name": "db", "Connect": {"SidecarService": {}}}), REMOTE)
    second = host.local.service("db-sidecar-proxy")
    assert second is not None
    assert second.port == 21001
    host.registrar.deregister_service("web")
    assert list(host.local.services()) == ["db", "db-sidecar-proxy"]
    await host.runner.stop()


@pytest.mark.parametrize(
    ("source", "settings", "refused"),
    [
        pytest.param(REMOTE, CheckSettings(), True, id="by the API without permission"),
        pytest.param(REMOTE, CheckSettings(local_scripts=True), True, id="by the API with permission for files only"),
        pytest.param(LOCAL, CheckSettings(local_scripts=True), False, id="by a file with permission for files"),
        pytest.param(LOCAL, CheckSettings(), True, id="by a file without permission"),
    ],
)
def test_scripts_run_only_where_they_may(clock: ManualClock, source: str, settings: CheckSettings, refused: bool) -> None:
    @in_loop
    async def run() -> None:
        host = Host(clock, settings=settings)
        definition = parse_service({"Name": "web", "Check": {"Args": ["true"], "Interval": "1h"}})
        if refused:
            with pytest.raises(Rejected, match="Scripts are disabled on this agent"):
                host.registrar.register_service(definition, source)
            assert host.local.services() == {}, "nothing of a refused registration stays"
        else:
            host.registrar.register_service(definition, source)
            assert list(host.runner.jobs) == ["service:web"]
        await host.runner.stop()

    run()


@in_loop
async def test_maintenance_puts_a_critical_check_and_takes_it_away(clock: ManualClock, tmp_path: Path) -> None:
    host = Host(clock, tmp_path)
    host.registrar.register_service(parse_service({"Name": "web"}), REMOTE)
    host.registrar.set_service_maintenance("web", True, "upgrade")
    host.registrar.set_node_maintenance(True)
    assert host.statuses() == {"_service_maintenance:web": "critical", "_node_maintenance": "critical"}
    again = Host(clock, tmp_path)
    again.loader.restore()
    assert again.statuses() == host.statuses(), "maintenance outlives the agent"
    host.registrar.set_service_maintenance("web", False)
    host.registrar.set_node_maintenance(False)
    assert host.statuses() == {}
    with pytest.raises(NotFound, match='No service registered with ID "absent"'):
        host.registrar.set_service_maintenance("absent", True)


@in_loop
async def test_a_service_critical_for_too_long_is_removed(clock: ManualClock) -> None:
    host = Host(clock)
    check = {"TTL": "1h", "DeregisterCriticalServiceAfter": "1s"}
    host.registrar.register_service(parse_service({"Name": "web", "Check": check}), REMOTE)
    clock.advance(59.0)
    host.registrar.reap()
    assert "web" in host.local.services(), "a minute is the least"
    clock.advance(1.1)
    host.registrar.reap()
    assert host.local.services() == {}
    await host.runner.stop()


@in_loop
async def test_files_have_the_peers_layout_and_shape(clock: ManualClock, tmp_path: Path) -> None:
    host = Host(clock, tmp_path)
    host.registrar.register_service(parse_service({"Name": "web", "Tags": ["a"], "Port": 80, "Check": {"TTL": "10s"}}), REMOTE)
    host.registrar.report_ttl("service:web", "passing", "hello")
    saved = tmp_path / "services" / "2567a5ec9705eb7ac2c984033e06189d"
    assert json.loads(saved.read_text()) == {
        "Token": "",
        "Service": {
            "ID": "web",
            "Service": "web",
            "Tags": ["a"],
            "Address": "",
            "Meta": None,
            "Port": 80,
            "Weights": {"Passing": 1, "Warning": 1},
            "EnableTagOverride": False,
            "Proxy": {"MeshGateway": {}, "Expose": {}},
            "Connect": {},
            "CreateIndex": 0,
            "ModifyIndex": 0,
        },
        "Source": "remote",
    }
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert stat.S_IMODE(saved.parent.stat().st_mode) == 0o700
    check = json.loads((tmp_path / "checks" / digest("service:web")).read_text())
    assert (check["Check"]["Status"], check["ChkType"]["TTL"], check["Source"]) == ("critical", 10_000_000_000, "remote")
    state = json.loads((tmp_path / "checks" / "state" / digest("service:web")).read_text())
    assert state == {"CheckID": "service:web", "Output": "hello", "Status": "passing", "Expires": int(clock.wall() + 10)}
    host.registrar.deregister_service("web")
    assert files_under(tmp_path) == []
    await host.runner.stop()


@in_loop
async def test_a_restart_keeps_a_ttl_check_passing_until_its_deadline(clock: ManualClock, tmp_path: Path) -> None:
    host = Host(clock, tmp_path)
    host.registrar.register_service(parse_service({"Name": "web", "Check": {"TTL": "10s"}}), REMOTE)
    host.registrar.report_ttl("service:web", "passing", "well")
    await host.runner.stop()
    clock.advance(4.0)
    again = Host(clock, tmp_path)
    again.loader.restore()
    assert again.statuses() == {"service:web": "passing"}
    clock.advance(5.9)
    again.runner.run_due(clock.now)
    assert again.statuses() == {"service:web": "passing"}
    clock.advance(0.2)
    again.runner.run_due(clock.now)
    assert again.statuses() == {"service:web": "critical"}
    await again.runner.stop()


@in_loop
async def test_a_restart_after_the_deadline_starts_critical(clock: ManualClock, tmp_path: Path) -> None:
    host = Host(clock, tmp_path)
    host.registrar.register_service(parse_service({"Name": "web", "Check": {"TTL": "10s", "Status": "passing"}}), REMOTE)
    host.registrar.report_ttl("service:web", "passing", "well")
    await host.runner.stop()
    clock.advance(11.0)
    again = Host(clock, tmp_path)
    again.loader.restore()
    assert again.statuses() == {"service:web": "critical"}
    assert not (tmp_path / "checks" / "state" / digest("service:web")).exists()
    await again.runner.stop()


@in_loop
async def test_a_restart_keeps_what_a_running_check_found(clock: ManualClock, tmp_path: Path) -> None:
    host = Host(clock, tmp_path)
    host.registrar.register_check(parse_check({"Name": "c", "TCP": "127.0.0.1:1", "Interval": "1h"}), REMOTE)
    host.registrar.result("c", Result("passing", "connected"))
    await host.runner.stop()
    again = Host(clock, tmp_path)
    again.loader.restore()
    assert again.statuses() == {"c": "passing"}
    await again.runner.stop()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"Token":"","Serv', id="half"),
        pytest.param(b"\x00\xff\xfe", id="no text"),
        pytest.param(b"[]", id="another type"),
        pytest.param(b'{"Service":{"ID":5}}', id="a field of a wrong type"),
        pytest.param(b'{"Service":{}}', id="no id"),
        pytest.param(b'{"Token":""}', id="no service"),
    ],
)
def test_a_damaged_file_is_set_aside_and_the_others_are_read(
    content: bytes, clock: ManualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @in_loop
    async def run() -> None:
        host = Host(clock, tmp_path)
        for name in ("web", "db"):
            host.registrar.register_service(parse_service({"Name": name}), REMOTE)
        damaged = tmp_path / "services" / digest("web")
        damaged.write_bytes(content)
        (tmp_path / "services" / f"{digest('x')}.tmp").write_bytes(b"{")
        again = Host(clock, tmp_path)
        again.loader.restore()
        assert list(again.local.services()) == ["db"]
        assert str(damaged) in caplog.text
        assert damaged.with_name(damaged.name + ".corrupt").read_bytes() == content

    run()


def test_a_disk_that_refuses_is_named_and_a_ttl_report_counts_all_the_same(clock: ManualClock, tmp_path: Path) -> None:
    @in_loop
    async def run() -> None:
        host = Host(clock, tmp_path)
        host.registrar.register_check(parse_check({"Name": "c", "TTL": "1h"}), REMOTE)
        state = tmp_path / "checks" / "state"
        state.write_text("a file where the directory should be")
        host.registrar.report_ttl("c", "passing", "")
        assert host.statuses() == {"c": "passing"}
        (tmp_path / "services").write_text("")
        with pytest.raises(StorageFailed, match="failed writing"):
            host.registrar.register_service(parse_service({"Name": "web"}), REMOTE)
        await host.runner.stop()

    run()


def test_a_state_that_makes_no_sense_counts_as_none(tmp_path: Path) -> None:
    persistence = Persistence(str(tmp_path))
    persistence.save_state(SavedState("c", "passing", "", 5))
    (tmp_path / "checks" / "state" / digest("c")).write_text('{"CheckID":"c","Status":"passing","Output":"","Expires":"soon"}')
    assert persistence.load_state("c") is None


CONFIGURED = [{"Name": "web", "Check": {"TTL": "1h"}}, {"Name": "db", "Check": {"TCP": "127.0.0.1:1", "Interval": "1h"}}]


@in_loop
async def test_a_reload_touches_only_what_the_files_changed(clock: ManualClock, tmp_path: Path) -> None:
    host = Host(clock, tmp_path)
    host.load(CONFIGURED, [{"Name": "disk", "TTL": "1h"}])
    host.registrar.register_service(parse_service({"Name": "by API", "Check": {"TTL": "1h"}}), REMOTE)
    for check_id in ("service:web", "disk", "service:by API"):
        host.registrar.report_ttl(check_id, "passing", "")
    host.registrar.result("service:db", Result("passing", ""))
    generation, ttls, jobs = host.local.generation, dict(host.runner.ttls), dict(host.runner.jobs)
    host.load(CONFIGURED, [{"Name": "disk", "TTL": "1h"}])
    assert host.local.generation == generation
    assert (host.runner.ttls, host.runner.jobs) == (ttls, jobs)
    assert set(host.statuses().values()) == {"passing"}
    host.load([{**CONFIGURED[0], "Port": 81}])
    assert list(host.local.services()) == ["web", "by API"]
    assert host.statuses() == {"service:web": "passing", "service:by API": "passing"}
    await host.runner.stop()


@pytest.mark.parametrize(
    ("services", "checks", "text"),
    [
        pytest.param([{"Port": 5}], [], "Missing service name", id="a bad service"),
        pytest.param([], [{"Name": "c", "TTL": "1h", "ServiceID": "absent"}], 'ServiceID "absent" does not exist', id="a check of nothing"),
        pytest.param([], [{"Name": "c", "Unknown": 1, "TTL": "1h"}], 'unknown field "Unknown"', id="an unknown key"),
    ],
)
def test_a_reload_that_cannot_be_done_changes_nothing(
    services: list[dict[str, Any]], checks: list[dict[str, Any]], text: str, clock: ManualClock
) -> None:
    @in_loop
    async def run() -> None:
        host = Host(clock)
        host.load(CONFIGURED)
        before = host.local.generation
        with pytest.raises(ConfigurationError, match=text):
            host.load(services, checks)
        assert host.local.generation == before
        await host.runner.stop()

    run()


@in_loop
async def test_a_file_wins_over_what_the_api_had_registered(clock: ManualClock, tmp_path: Path) -> None:
    host = Host(clock, tmp_path)
    host.registrar.register_service(parse_service({"Name": "web", "Port": 1}), REMOTE)
    again = Host(clock, tmp_path)
    again.load([{"Name": "web", "Port": 2}])
    again.loader.restore()
    kept = again.local.service("web")
    assert kept is not None
    assert kept.port == 2
    assert not (tmp_path / "services" / digest("web")).exists()
