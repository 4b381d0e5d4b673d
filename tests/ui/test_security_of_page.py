"""Whatever names and texts a cluster holds, they stay text; and the page's policy is in force."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from seeded import Api

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=45_000)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EVIL = "<img src=x onerror=\"document.title='broken'\">"
Visit = Callable[..., Any]


def test_markup_in_names_tags_values_and_outputs_stays_text(site: Api, visit: Visit) -> None:
    site.put(
        "/v1/catalog/register",
        {
            "Node": "evil-node", "Address": "javascript:alert(1)", "NodeMeta": {"evil": EVIL},
            "Service": {"ID": EVIL, "Service": EVIL, "Tags": [EVIL], "Address": "javascript:alert(1)", "Meta": {"evil": EVIL}},
            "Check": {"CheckID": EVIL, "Name": EVIL, "Node": "evil-node", "ServiceID": EVIL, "Status": "critical", "Output": EVIL, "Notes": EVIL},
        },
    )  # fmt: skip
    site.put(f"/v1/kv/{quote(EVIL, safe='')}", EVIL)
    name = quote(EVIL, safe="")
    try:
        for path in (
            "services?filter=img", f"services/{name}/instances", f"services/{name}/tags",
            f"services/{name}/instances/evil-node/{name}/health-checks", f"services/{name}/instances/evil-node/{name}/metadata",
            "nodes", "nodes/evil-node/health-checks", "nodes/evil-node/service-instances", "nodes/evil-node/metadata", "kv", f"kv/{name}/edit",
        ):  # fmt: skip
            page = visit(f"{site.url}/ui/dc1/{path}")
            expect(page.get_by_role("main").get_by_text("img src=x" if path != "nodes" else "evil-node").first).to_be_visible()
            assert page.locator("img").count() == 0
            assert page.locator("a[href^='javascript']").count() == 0
            assert "broken" not in page.title().replace(EVIL, "")
            page.context.close()
    finally:
        site.put("/v1/catalog/deregister", {"Node": "evil-node"})
        site.call("DELETE", f"/v1/kv/{name}")


def test_an_inline_script_does_not_run(muster: Api, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{muster.url}/ui/dc1/services")
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.evaluate(
        """() => { const script = document.createElement('script'); script.textContent = 'window.ran = true'; document.head.append(script) }"""
    )
    page.wait_for_function("() => true")
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in refused)
    page.close()


def test_a_token_is_sent_in_a_header_and_stands_in_no_address(muster: Api, visit: Visit) -> None:
    page = visit("about:blank")
    secret = "0f1e2d3c-aaaa-bbbb-cccc-123456789abc"
    seen: list[tuple[str, str]] = []
    page.on("request", lambda one: seen.append((one.url, one.headers.get("x-consul-token", ""))))
    page.route("**/v1/acl/token/self", lambda route: route.fulfill(json={"AccessorID": "11111111-2222-3333-4444-555555555555"}))
    page.goto(f"{muster.url}/ui/dc1/services")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Token").fill(secret)
    page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    seen.clear()
    page.get_by_role("link", name="Nodes").click()
    expect(page.get_by_role("rowheader", name="host-1")).to_be_visible()
    asked = [(url, token) for url, token in seen if "/v1/" in url]
    assert asked
    assert all(token == secret for _, token in asked)
    assert not [url for url, _ in seen if secret in url]
    assert secret not in page.title() + page.url + page.content()
    assert page.evaluate("localStorage.getItem('muster:token')") is None
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert secret not in page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})")


def test_where_access_control_is_off_the_sign_in_says_so(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/services")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Token").fill("anything")
    page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("Access control is off here: no token is needed.")
