"""Pages stay true without a reload: changes, what is deleted while it is read, a server that goes and comes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from seeded import Api, seed

from muster.testing import Server

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=45_000)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Visit = Callable[..., Any]


def test_a_change_of_a_check_is_on_the_screen_at_once(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/services?filter=web")
    web = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="web"))
    expect(web).to_contain_text("Passing")
    site.register("host-1", "web", status="critical", output="the disk is full")
    expect(web).to_contain_text("the disk is full")
    expect(web).to_contain_text("Critical")
    site.register("host-1", "web", status="passing", output="ok")
    expect(web).to_contain_text("Passing")


def test_a_new_service_appears_and_one_that_goes_disappears(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/services?filter=newcomer")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    site.register("host-2", "newcomer")
    expect(page.get_by_role("rowheader", name="newcomer")).to_be_visible()
    site.put("/v1/catalog/deregister", {"Node": "host-2", "ServiceID": "newcomer-host-2"})
    expect(page.get_by_role("rowheader", name="newcomer")).to_have_count(0)


def test_what_is_deregistered_while_it_is_read_stays_and_says_so(site: Api, visit: Visit) -> None:
    site.register("host-2", "fleeting", output="all was well")
    page = visit(f"{site.url}/ui/dc1/services/fleeting/instances")
    expect(page.get_by_role("rowheader", name="fleeting-host-2")).to_be_visible()
    site.put("/v1/catalog/deregister", {"Node": "host-2", "ServiceID": "fleeting-host-2"})
    expect(page.get_by_text("no longer registered")).to_be_visible()
    expect(page.get_by_role("rowheader", name="fleeting-host-2")).to_be_visible()


def test_a_list_keeps_its_order_while_somebody_is_in_it(site: Api, visit: Visit) -> None:
    page = visit(f"{site.url}/ui/dc1/services")
    links = page.get_by_role("rowheader").get_by_role("link")
    expect(links.first).to_have_text("kafka")
    page.get_by_role("link", name="api", exact=True).focus()
    site.register("host-1", "aardvark", status="critical", output="first of all")
    try:
        expect(page.get_by_role("button", name="resort")).to_be_visible()
        assert links.first.text_content() == "kafka"
        expect(page.get_by_role("link", name="api", exact=True)).to_be_focused()
        page.get_by_role("button", name="resort").click()
        page.mouse.move(0, 0)
        expect(links.first).to_have_text("aardvark")
    finally:
        site.put("/v1/catalog/deregister", {"Node": "host-1", "ServiceID": "aardvark-host-1"})


def test_a_paused_page_waits_and_a_resumed_one_catches_up(site: Api, visit: Visit) -> None:
    site.put("/v1/kv/counter", "1")
    page = visit(f"{site.url}/ui/dc1/kv/counter/edit")
    expect(page.get_by_label("Value", exact=True)).to_have_text("1")
    page.get_by_role("button", name="Pause live updates").click()
    site.put("/v1/kv/counter", "2")
    expect(page.get_by_role("main").get_by_role("button", name="Resume live updates")).to_be_visible()
    expect(page.get_by_label("Value", exact=True)).to_have_text("1")
    page.get_by_role("main").get_by_role("button", name="Resume live updates").click()
    expect(page.get_by_label("Value", exact=True)).to_have_text("2")


@pytest.fixture
def own(built: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, which keeps its state and its port over a restart."""
    with Server(data_dir=tmp_path / "data") as server:
        yield server


def test_a_server_that_goes_is_said_and_one_that_comes_back_is_followed(own: Server, visit: Visit, tmp_path: Path) -> None:
    api = seed(own.url)
    page = visit(f"{own.url}/ui/dc1/services?filter=web")
    expect(page.get_by_role("rowheader", name="web")).to_be_visible()
    port = own.http_port
    own.stop()
    expect(page.get_by_role("main").get_by_text("The agent does not answer.")).to_be_visible()
    expect(page.get_by_role("rowheader", name="web")).to_be_visible()
    expect(page.get_by_role("button", name="Reconnecting")).to_be_visible()
    with Server(data_dir=tmp_path / "data", config={"ports": {"http": port}}):
        expect(page.get_by_role("main").get_by_text("The agent does not answer.")).to_have_count(0, timeout=60_000)
        api.register("host-1", "web", status="warning", output="after the restart")
        expect(page.get_by_role("row").filter(has_text="after the restart")).to_be_visible(timeout=60_000)


def test_changes_come_by_one_stream_and_not_by_questions_that_stay_open(muster: Api, visit: Visit) -> None:
    page = visit("about:blank")
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.goto(f"{muster.url}/ui/dc1/nodes")
    expect(page.get_by_role("rowheader", name="host-1")).to_be_visible()
    began = time.monotonic()
    muster.register("host-2", "streamed", status="critical", output="told by the stream")
    try:
        expect(page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="host-2"))).to_contain_text("told by the stream")
        print(f"on the screen after {time.monotonic() - began:.3f} s")
        assert any("/v1/muster/stream" in url for url in asked)
        assert not [url for url in asked if "index=" in url and "stream" not in url]
    finally:
        muster.put("/v1/catalog/deregister", {"Node": "host-2", "ServiceID": "streamed-host-2"})


def test_on_another_server_at_most_two_questions_stay_open(real: Api, visit: Visit) -> None:
    page = visit("about:blank")
    open_: set[Any] = set()
    most = 0

    def began(request: Any) -> None:
        nonlocal most
        if "wait=" in request.url:
            open_.add(request)
            most = max(most, len(open_))

    page.on("request", began)
    for event in ("requestfinished", "requestfailed"):
        page.on(event, lambda request: open_.discard(request))
    page.goto(f"{real.url}/ui/dc1/services?filter=passing-by")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    for number in range(4):
        real.register("host-5", f"passing-by-{number}")
        expect(page.get_by_role("rowheader", name=f"passing-by-{number}")).to_be_visible()
    for number in range(4):
        real.put("/v1/catalog/deregister", {"Node": "host-5", "ServiceID": f"passing-by-{number}-host-5"})
    assert 1 <= most <= 2
