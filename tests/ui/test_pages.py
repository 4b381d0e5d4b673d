"""Each page shows what its server holds, found by role and name, on Muster and on a real Consul."""

from collections.abc import Callable
from typing import Any

import pytest
from seeded import FAILING, KEYS, NODES, SERVICES, Api

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=45_000)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Visit = Callable[..., Any]


def row(page: Any, name: str) -> Any:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def names(page: Any) -> Any:
    return page.get_by_role("rowheader").get_by_role("link")


def test_services_stand_worst_first_and_say_why(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/services")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Services {len(SERVICES) + 2} total")
    expect(names(page).first).to_have_text("kafka")
    expect(row(page, "payments")).to_contain_text("Critical")
    expect(row(page, "payments")).to_contain_text("connection refused")
    expect(row(page, "reports")).to_contain_text("429 Too Many Requests")
    expect(page).to_have_title("Services · Muster")


def test_services_are_searched_filtered_and_sorted_and_the_address_remembers_it(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/services")
    page.get_by_role("searchbox", name="Search").fill("re")
    expect(page.get_by_role("rowheader", name="redis")).to_be_visible()
    expect(page.get_by_role("rowheader", name="kafka")).to_have_count(0)
    assert "filter=re" in page.url
    page.get_by_role("searchbox").fill("")
    page.locator("summary", has_text="Status").click()
    page.get_by_role("checkbox", name="Warning").check()
    expect(names(page)).to_have_text(["email", "reports"])
    page.get_by_role("combobox", name="Sort by").select_option("Name:desc")
    expect(names(page)).to_have_text(["reports", "email"])
    page.reload()
    expect(names(page)).to_have_text(["reports", "email"])
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_role("rowheader", name="web")).to_be_visible()
    page.get_by_role("searchbox").fill("nothing has this name")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()


def test_from_a_list_to_an_item_and_back_the_list_is_as_it_was(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/services?filter=pay")
    page.get_by_role("link", name="payments").click()
    expect(page.get_by_role("heading", level=1, name="payments")).to_be_visible()
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Services").click()
    expect(page.get_by_role("searchbox")).to_have_value("pay")
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="payments")).to_be_visible()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Services").click()
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_a_service_shows_its_instances_and_tags(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/services/payments/instances")
    expect(page.get_by_role("heading", level=1)).to_have_text("payments")
    rows = page.get_by_role("rowheader")
    expect(rows).to_have_count(2)
    expect(page.get_by_role("row").nth(1)).to_contain_text("Critical")
    expect(page.get_by_role("row").nth(1)).to_contain_text("connection refused")
    page.get_by_role("navigation", name="payments").get_by_role("link", name="Tags").click()
    expect(page.get_by_role("main")).to_contain_text("v2")
    expect(page.get_by_role("main")).to_contain_text("2 instances")


def test_an_instance_shows_checks_addresses_and_metadata(site: Api, visit: Visit) -> None:
    node = site.get("/v1/catalog/service/kafka")[0]["Node"]
    page = visit(f"{site.url}/ui/dc1/services/kafka/instances/{node}/kafka-{node}/health-checks")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"kafka-{node}")
    expect(page.get_by_role("heading", name="kafka health")).to_be_visible()
    expect(page.get_by_role("complementary", name="Facts")).to_contain_text("10.0.1.15:8080")
    page.get_by_role("link", name="Addresses").click()
    expect(page.get_by_role("row", name="wan")).to_contain_text("192.0.2.15:18080")
    page.get_by_role("link", name="Metadata").click()
    expect(page.get_by_role("row", name="version")).to_contain_text("2.4.1")


def test_nodes_show_health_role_and_how_many_services(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/nodes")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Nodes {len(NODES) + 1} total")
    expect(row(page, "host-7")).to_contain_text("Critical")
    expect(row(page, "host-7")).to_contain_text("Agent not live or unreachable")
    own = site.get("/v1/agent/self")["Config"]["NodeName"]
    expect(row(page, own)).to_contain_text("Leader")
    expect(row(page, "host-1")).to_contain_text("External")


def test_a_node_shows_all_its_tabs(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/nodes/host-1")
    tabs = page.get_by_role("navigation", name="host-1")
    expect(page.get_by_role("heading", name="Probe from outside")).to_be_visible()
    tabs.get_by_role("link", name="Service instances").click()
    expect(page.get_by_role("link", name="web", exact=True)).to_be_visible()
    tabs.get_by_role("link", name="Lock sessions").click()
    expect(row(page, "leader-lock")).to_contain_text("release")
    tabs.get_by_role("link", name="Round-trip time").click()
    expect(page.get_by_role("term").filter(has_text="Median")).to_be_visible()
    expect(row(page, "host-2")).to_contain_text("ms")
    tabs.get_by_role("link", name="Metadata").click()
    expect(row(page, "rack")).to_contain_text("r1")


def test_keys_are_shown_by_folder(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/kv")
    expect(page.get_by_role("link", name="app/", exact=True)).to_be_visible()
    page.get_by_role("link", name="app/", exact=True).click()
    page.get_by_role("link", name="feature/").click()
    page.get_by_role("link", name="dark-mode").click()
    expect(page.get_by_label("Value")).to_have_text("false")
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="app").click()
    expect(page.get_by_role("link", name="config.json")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Value")).to_have_text(KEYS["app/feature/dark-mode"])


def test_a_locked_key_says_who_holds_it(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/kv/locks/leader/edit")
    expect(page.get_by_role("status").filter(has_text="Locked by the session leader-lock")).to_be_visible()
    page.get_by_role("link", name="leader-lock on node host-1").click()
    expect(row(page, "leader-lock")).to_be_visible()


def test_a_key_is_created_edited_and_deleted(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/kv/app/")
    page.get_by_role("button", name="Create key").click()
    page.get_by_label("Name").fill("by hand/with blanks & %")
    page.get_by_label("Value").fill("one")
    page.get_by_role("button", name="Save key").click()
    expect(page.get_by_label("Value")).to_have_text("one")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Value").fill("two")
    page.get_by_role("button", name="Save key").click()
    expect(page.locator("pre.value")).to_have_text("two")
    assert site.get("/v1/kv/app/by%20hand/with%20blanks%20%26%20%25")[0]["Value"] == "dHdv"
    page.get_by_role("button", name="Delete key").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    page.get_by_role("dialog").get_by_role("button", name="Delete key").click()
    expect(page.get_by_role("heading", name="No keys here")).to_be_visible()


def test_two_people_who_change_one_key_see_both_texts(site: Api, visit: Visit) -> None:
    site.put("/v1/kv/shared/plan", "first\nsame\n")
    page = visit(f"{site.url}/ui/dc1/kv/shared/plan/edit")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Value").fill("mine\nsame\n")
    site.put("/v1/kv/shared/plan", "theirs\nsame\n")
    expect(page.get_by_text("The key has changed since you began to edit.")).to_be_visible()
    expect(page.get_by_label("Value")).to_have_value("mine\nsame\n")
    page.get_by_role("button", name="Save key").click()
    expect(page.get_by_role("heading", name="Somebody else has changed this key")).to_be_focused()
    difference = page.get_by_role("group", name="Show the difference")
    expect(difference).to_contain_text("− theirs")
    expect(difference).to_contain_text("+ mine")
    expect(page.get_by_label("Before")).to_have_text("first\nsame\n")
    page.get_by_role("button", name="Save mine over theirs").click()
    expect(page.get_by_label("Value", exact=True)).to_have_text("mine\nsame\n")


def test_sessions_are_listed_and_ended(site: Api, visit: Visit) -> None:
    identifier = site.put("/v1/session/create", {"Name": "short-lived", "Node": "host-3", "Checks": ["probe"], "NodeChecks": ["probe"]})[
        "ID"
    ]
    page = visit(f"{site.url}/ui/dc1/sessions")
    expect(row(page, "leader-lock")).to_contain_text("host-1")
    page.get_by_role("button", name="Invalidate session short-lived").click()
    page.get_by_role("dialog").get_by_role("button", name="Invalidate session").click()
    expect(page.get_by_role("rowheader", name="short-lived")).to_have_count(0)
    assert not site.get(f"/v1/session/info/{identifier}")


@pytest.mark.parametrize("name", sorted(FAILING))
def test_a_failing_check_is_read_where_the_instance_is(site: Api, visit: Visit, name: str) -> None:
    output = FAILING[name][1]
    node = next(one["Node"] for one in site.get(f"/v1/health/checks/{name}") if one["Status"] != "passing")
    page = visit(f"{site.url}/ui/dc1/services/{name}/instances/{node}/{name}-{node}")
    expect(page.get_by_role("main").locator("pre").first).to_have_text(output)


def test_an_unknown_address_says_so(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/nothing-of-this-kind")
    expect(page.get_by_role("heading", level=1)).to_have_text("No such page")


def test_what_does_not_exist_is_told_apart_from_what_is_empty(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/services/never-registered/instances")
    expect(page.get_by_role("heading", name="No instances")).to_be_visible()
    page = visit(f"{site.url}/ui/dc1/kv/never/written/edit")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
