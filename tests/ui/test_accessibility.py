"""Every page passes axe's rules in both themes; what people do is done with the keyboard alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from seeded import Api

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=45_000)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

AXE = Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
Visit = Callable[..., Any]
PAGES = [
    pytest.param("dc1/services", "Services", id="services"),
    pytest.param("dc1/services/kafka/instances", "kafka", id="service"),
    pytest.param("dc1/services/kafka/tags", "kafka", id="tags"),
    pytest.param("dc1/services/kafka/instances/host-4/kafka-host-4/health-checks", "kafka-host-4", id="instance"),
    pytest.param("dc1/services/kafka/instances/host-4/kafka-host-4/addresses", "kafka-host-4", id="addresses"),
    pytest.param("dc1/nodes", "Nodes", id="nodes"),
    pytest.param("dc1/nodes/host-1/health-checks", "host-1", id="node"),
    pytest.param("dc1/nodes/host-1/service-instances", "host-1", id="node's instances"),
    pytest.param("dc1/nodes/host-1/lock-sessions", "host-1", id="node's sessions"),
    pytest.param("dc1/nodes/host-1/round-trip-time", "host-1", id="round-trip time"),
    pytest.param("dc1/nodes/host-1/metadata", "host-1", id="metadata"),
    pytest.param("dc1/kv", "Key/value", id="keys"),
    pytest.param("dc1/kv/app/config.json/edit", "config.json", id="key"),
    pytest.param("dc1/kv/create", "New key", id="new key"),
    pytest.param("dc1/sessions", "Sessions", id="sessions"),
    pytest.param("dc1/overview/server-status", "Overview", id="overview"),
    pytest.param("dc1/overview/catalog-health", "Overview", id="catalog health"),
    pytest.param("dc1/members", "Members", id="members"),
    pytest.param("dc1/queries", "Prepared queries", id="queries"),
    pytest.param("dc1/events", "Events", id="events"),
    pytest.param("dc1/monitor", "Monitor", id="monitor"),
    pytest.param("dc1/snapshots", "Snapshots", id="snapshots"),
    pytest.param("dc1/topology", "Topology", id="topology"),
    pytest.param("settings", "Settings", id="settings"),
    pytest.param("dc1/nothing-here", "No such page", id="unknown"),
]


def violations(page: Any) -> list[str]:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make page-test")
    page.evaluate(AXE.read_text())  # the policy forbids a script element; the debugger may run what it likes
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:200]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("path", "heading"), PAGES)
def test_no_rule_is_broken(muster: Api, visit: Visit, path: str, heading: str, theme: str) -> None:
    page = visit(f"{muster.url}/ui/{path}", theme=theme)
    expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
    expect(page.locator(".loading")).to_have_count(0)
    assert violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_rule_is_broken_at_320_pixels_with_the_drawer_open(muster: Api, visit: Visit, theme: str) -> None:
    page = visit(f"{muster.url}/ui/dc1/services", theme=theme, width=320)
    expect(page.get_by_role("rowheader").first).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.get_by_role("button", name="Open navigation").click()
    expect(page.get_by_role("link", name="Nodes")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_rule_is_broken_in_a_conflict_and_in_a_dialog(muster: Api, visit: Visit, theme: str) -> None:
    key = f"accessible/{theme}"
    muster.put(f"/v1/kv/{key}", "one")
    page = visit(f"{muster.url}/ui/dc1/kv/{key}/edit", theme=theme)
    page.get_by_role("button", name="Delete key").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete key")).to_be_focused()
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Value").fill("two")
    assert violations(page) == []
    muster.put(f"/v1/kv/{key}", "three")
    page.get_by_role("button", name="Save key").click()
    expect(page.get_by_role("heading", name="Somebody else has changed this key")).to_be_visible()
    assert violations(page) == []


def test_the_keyboard_alone_finds_a_failing_service_and_edits_a_key(muster: Api, visit: Visit) -> None:
    muster.put("/v1/kv/by-keyboard", "before")
    page = visit(f"{muster.url}/ui/")
    keys = page.keyboard
    expect(page.get_by_role("rowheader").first).to_be_visible()
    keys.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keys.type("kafka")
    expect(page.get_by_role("rowheader")).to_have_count(1)
    keys.press("Escape")
    keys.press("j")
    expect(page.get_by_role("link", name="kafka")).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1, name="kafka")).to_be_focused()
    expect(page.get_by_role("rowheader").first).to_be_visible()
    keys.press("j")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="kafka health")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("heading", level=1, name="kafka", exact=True)).to_be_focused()
    keys.press("g")
    keys.press("k")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Key/value")
    page.get_by_role("link", name="by-keyboard").focus()
    keys.press("Enter")
    expect(page.get_by_label("Value", exact=True)).to_have_text("before")
    keys.press("e")
    page.get_by_label("Value").focus()
    keys.press("Control+a")
    keys.type("after")
    keys.press("Control+Enter")
    expect(page.locator("pre.value")).to_have_text("after")
