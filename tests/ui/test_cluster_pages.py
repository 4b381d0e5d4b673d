"""The pages about the cluster itself: overview, members, queries, events, monitor, snapshots, topology, settings, palette."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from seeded import Api

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=45_000)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Visit = Callable[..., Any]


def row(page: Any, name: str) -> Any:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def test_the_overview_says_how_many_servers_may_fail_and_what_fails(site: Api, visit: Visit) -> None:
    own = site.get("/v1/agent/self")["Config"]["NodeName"]
    page = visit(f"{site.url}/ui/dc1/overview/server-status")
    expect(page.get_by_text("No server may fail")).to_be_visible()
    expect(row(page, own)).to_contain_text("Leader")
    page.get_by_role("link", name="Catalog health").click()
    page.get_by_role("link", name="Services, Critical: 2").click()
    expect(page.get_by_role("rowheader").get_by_role("link")).to_have_text(["kafka", "payments"])


def test_members_show_who_is_alive(site: Api, visit: Visit) -> None:
    own = site.get("/v1/agent/self")["Config"]["NodeName"]
    page = visit(f"{site.url}/ui/dc1/members")
    expect(row(page, own)).to_contain_text("Alive")
    expect(row(page, own)).to_contain_text("Server")


def test_a_prepared_query_is_made_executed_explained_and_deleted(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/queries")
    expect(row(page, "nearest-web")).to_contain_text("10s")
    page.get_by_role("button", name="Create query").click()
    definition = {"Name": "by-hand", "Service": {"Service": "redis"}}
    page.get_by_label("Definition").fill(json.dumps(definition))
    page.get_by_role("button", name="Save query").click()
    expect(row(page, "by-hand")).to_contain_text("redis")
    row(page, "by-hand").get_by_role("button", name="Execute").click()
    expect(page.get_by_role("dialog").get_by_label("Result")).to_contain_text('"Service": "redis"')
    page.get_by_role("button", name="Close").click()
    row(page, "by-hand").get_by_role("button", name="Delete query").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete query").click()
    expect(page.get_by_role("rowheader", name="by-hand")).to_have_count(0)


def test_an_event_is_fired_and_seen(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/events")
    expect(row(page, "deploy").first).to_contain_text("2026.11.3")
    page.get_by_role("button", name="Fire event").click()
    page.get_by_role("textbox", name="Name").fill("restart")
    page.get_by_role("textbox", name="Payload").fill("now")
    page.get_by_role("dialog").get_by_role("button", name="Fire event").click()
    expect(row(page, "restart").first).to_contain_text("now")


def test_the_monitor_shows_the_log_as_it_is_written(muster: Api, visit: Visit) -> None:
    """On Muster only: Consul 1.8.7 holds back the few lines of a quiet agent from clients that take gzip, as every browser does."""
    page = visit(f"{muster.url}/ui/dc1/monitor")
    with page.expect_request(lambda one: "loglevel=debug" in one.url):
        page.get_by_role("combobox", name="Level").select_option("debug")
    log = page.get_by_role("log", name="Monitor")
    expect(log).to_be_visible()
    for _ in range(20):
        muster.put("/v1/agent/check/register", {"Name": "seen in the log", "TTL": "60s"})
        if log.text_content() != "Waiting for the next line of the agent's log.":
            break
        page.wait_for_timeout(250)
    expect(log).not_to_have_text("Waiting for the next line of the agent's log.")
    muster.put("/v1/agent/check/deregister/seen%20in%20the%20log")


def test_a_snapshot_is_saved_inspected_and_restored(site: Api, visit: Visit, tmp_path: Any) -> None:
    page = visit(f"{site.url}/ui/dc1/snapshots")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download snapshot").click()
    kept = tmp_path / "saved.tgz"
    download.value.save_as(kept)
    page.get_by_label("Snapshot file").set_input_files(kept)
    expect(page.get_by_role("term").filter(has_text="Index")).to_be_visible()
    page.get_by_role("button", name="Restore a snapshot").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Restore a snapshot")).to_be_disabled()
    dialog.get_by_role("textbox").fill("restore")
    dialog.get_by_role("button", name="Restore a snapshot").click()
    expect(page.get_by_text("Snapshot restored")).to_be_visible()
    page.get_by_label("Snapshot file").set_input_files({"name": "x.tgz", "mimeType": "application/gzip", "buffer": b"no snapshot"})
    expect(page.get_by_role("alert")).to_contain_text("no snapshot")


def test_the_topology_is_a_picture_and_a_table(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/topology")
    expect(page.get_by_role("img", name="Nodes by their distance in round-trip time")).to_be_visible()
    expect(row(page, "host-1")).to_contain_text("ms")


def test_settings_last_and_need_no_server(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/settings")
    page.get_by_role("radio", name="Dark").check()
    page.get_by_role("checkbox", name="Dense rows").check()
    page.reload()
    expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.goto(f"{site.url}/ui/setting")
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")


def test_the_palette_goes_to_services_nodes_and_keys(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/services")
    expect(page.get_by_role("rowheader").first).to_be_visible()
    for wanted, kind, heading in (("kafka", "Service", "kafka"), ("host-3", "Node", "host-3"), ("limits.yaml", "Key", "limits.yaml")):
        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Service, node, key or page").fill(wanted)
        expect(page.get_by_role("dialog").get_by_role("option").first).to_contain_text(kind)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
