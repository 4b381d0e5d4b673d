"""Serving the web page: its files, its addresses, its headers."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from muster.agent.config.build import build
from muster.agent.config.schema import convert
from muster.http.ui import Page
from muster.model.errors import ConfigurationError

INDEX = '<html><head><script type="application/json" id="muster-settings"></script></head><script src="{{.ContentPath}}assets/a.js"></script></html>'
SCRIPT = "export const a = 1;\n" * 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "page"
    (inside / "assets").mkdir(parents=True)
    (inside / "index.html").write_text(INDEX)
    (inside / "assets" / "a.js").write_text(SCRIPT)
    (inside / "robots.txt").write_text("all\n")
    (tmp_path / "secret.txt").write_text("secret")
    return inside


@pytest.fixture
def page(make_edge: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    def make(headers: dict[str, str] | None = None, **config: Any) -> Any:
        edge = make_edge(response_headers=headers or {})
        own = build([("test", convert({"ui_dir": str(folder), **config}, "test"))], dev=True)
        edge.agent.server = None
        edge.context.page = Page(own, edge.agent)
        return edge

    return make


def head_and_body(answer: bytes) -> tuple[str, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


def settings_in(body: bytes) -> dict[str, Any]:
    text = body.decode().partition('id="muster-settings">')[2].partition("</script>")[0]
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/ui/", id="the root"),
        pytest.param("/ui/dc1/services", id="an address of the page"),
        pytest.param("/ui/dc1/kv/a%20b//c%01/edit", id="a key with any characters"),
        pytest.param("/ui/dc1/kv/..%2F..%2Fsecret.txt/edit", id="a key with dots"),
        pytest.param("/ui/../secret.txt", id="the way out"),
        pytest.param("/ui/%2e%2e/secret.txt", id="the way out, escaped"),
        pytest.param("/ui/index.html", id="by its name"),
    ],
)
def test_every_path_that_is_no_file_answers_the_page(page: Callable[..., Any], path: str) -> None:
    head, body = head_and_body(page().get(path))
    if head.startswith("HTTP/1.1 301"):
        assert "Location: /secret.txt" in head  # as any path with dots; nothing is there
        return
    assert head.startswith("HTTP/1.1 200")
    assert "Content-Type: text/html; charset=utf-8" in head
    assert b"muster-settings" in body
    assert b"secret" not in body.replace(b"secret.txt", b"")


def test_a_file_is_sent_as_it_is_and_may_be_kept_forever_only_if_its_name_holds_its_hash(page: Callable[..., Any]) -> None:
    edge = page()
    head, body = head_and_body(edge.get("/ui/assets/a.js"))
    assert body == SCRIPT.encode()
    assert "Content-Type: text/javascript; charset=utf-8" in head
    assert "immutable" in head
    head, body = head_and_body(edge.get("/ui/robots.txt"))
    assert body == b"all\n"
    assert "Cache-Control: no-cache" in head


def test_a_file_comes_in_gzip_where_the_client_takes_it(page: Callable[..., Any]) -> None:
    head, body = head_and_body(page().get("/ui/assets/a.js", "Accept-Encoding: gzip, br"))
    assert "Content-Encoding: gzip" in head
    assert gzip.decompress(body) == SCRIPT.encode()


def test_what_the_client_has_already_is_not_sent_again(page: Callable[..., Any], folder: Path) -> None:
    edge = page()
    head, _ = head_and_body(edge.get("/ui/robots.txt"))
    etag = next(line for line in head.splitlines() if line.startswith("ETag")).partition(": ")[2]
    head, body = head_and_body(edge.get("/ui/robots.txt", f"If-None-Match: {etag}"))
    assert head.startswith("HTTP/1.1 304")
    assert body == b""
    (folder / "robots.txt").write_text("none of it\n")
    head, body = head_and_body(edge.get("/ui/robots.txt", f"If-None-Match: {etag}"))
    assert body == b"none of it\n"


def test_the_page_is_protected_by_its_headers_and_the_configured_ones_win(page: Callable[..., Any]) -> None:
    head, _ = head_and_body(page().get("/ui/"))
    assert "Content-Security-Policy: default-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'" in head
    assert "X-Content-Type-Options: nosniff" in head
    assert "Referrer-Policy: no-referrer" in head
    head, _ = head_and_body(page({"content-security-policy": "default-src 'none'", "X-Own": "1"}).get("/ui/"))
    assert "default-src 'self'" not in head
    assert "default-src 'none'" in head
    assert "X-Own: 1" in head


def test_the_page_is_told_of_its_agent_without_a_way_to_break_out_of_the_block(page: Callable[..., Any]) -> None:
    edge = page(datacenter="dc-7")
    _, body = head_and_body(edge.get("/ui/"))
    block = settings_in(body)
    assert block["local_datacenter"] == "dc-7"
    assert block["content_path"] == "/ui/"
    assert block["features"] == []
    assert not {"token", "acl_token"} & set(block)
    assert body.count(b"<script") == 2


@pytest.mark.parametrize("written", ["console", "/console", "/console/"])
def test_the_page_moves_with_its_path(page: Callable[..., Any], written: str) -> None:
    edge = page(ui_content_path=written)
    for path, location in (("/", "/console/"), ("/console", "/console/")):
        head, _ = head_and_body(edge.get(path))
        assert head.startswith("HTTP/1.1 301")
        assert f"Location: {location}" in head
    head, body = head_and_body(edge.get("/console/dc1/services"))
    assert head.startswith("HTTP/1.1 200")
    assert b'src="/console/assets/a.js"' in body
    assert settings_in(body)["content_path"] == "/console/"
    assert edge.get("/ui/").startswith(b"HTTP/1.1 404")


def test_the_api_stays_where_it_is_beside_a_page_at_the_root(page: Callable[..., Any]) -> None:
    edge = page(ui_content_path="/")
    assert b"muster-settings" in edge.get("/")
    assert b"muster-settings" in edge.get("/dc1/services")
    assert edge.get("/v1/absent").startswith(b"HTTP/1.1 404")


def test_without_a_page_the_root_names_the_agent(make_edge: Callable[..., Any]) -> None:
    edge = make_edge()
    assert edge.get("/").endswith(b"Consul Agent")
    assert edge.get("/ui/").startswith(b"HTTP/1.1 404")


def test_a_page_that_is_not_built_says_how_to_build_it(page: Callable[..., Any], folder: Path) -> None:
    (folder / "index.html").unlink()
    head, body = head_and_body(page().get("/ui/dc1/services"))
    assert head.startswith("HTTP/1.1 404")
    assert b"make page" in body


def test_a_folder_alone_switches_the_page_on_and_with_ui_it_is_refused_as_by_the_peers(folder: Path) -> None:
    base = {"data_dir": str(folder), "server": True, "bind_addr": "127.0.0.1", "ui_dir": str(folder)}
    assert build([("test", convert(base, "test"))], dev=False).ui
    with pytest.raises(ConfigurationError, match="Both the ui and ui_dir settings were given"):
        build([("test", convert(base | {"ui": True}, "test"))], dev=False)
