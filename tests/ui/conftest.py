"""The page as it ships, in Debian's Chromium, before a Muster server in this process and before a real Consul."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from agents import AgentProcess
from browser import launched
from seeded import Api, seed

from muster.testing import Server
from muster.ui.files import BUILT

LIMIT = 45_000  # milliseconds that a test waits for what it expects; a loaded machine needs some of it


@pytest.fixture(scope="session")
def built() -> Path:
    """The built page, or a skip that says how to build it."""
    if not (BUILT / "index.html").is_file():
        pytest.skip("the web page is not built: make page")
    return BUILT


@pytest.fixture(scope="module")
def browser(built: Path) -> Iterator[Any]:
    """A browser for one file of tests: while Playwright's driver runs, no other test of this process can run a loop."""
    with launched() as running:
        yield running


@pytest.fixture(scope="session")
def muster(built: Path) -> Iterator[Api]:
    with Server() as server:
        yield seed(server.url)


@pytest.fixture(scope="session")
def real(built: Path, consul: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A real Consul that serves Muster's page."""
    folder = tmp_path_factory.mktemp("consul")
    address = "127.0.27.10"
    with AgentProcess(folder, "-dev", f"-ui-dir={built}", program=consul, bind=address, client=address) as agent:
        yield seed(f"http://{address}:{agent.http}")


@pytest.fixture(params=["muster", pytest.param("consul", marks=pytest.mark.peer)])
def site(request: pytest.FixtureRequest) -> Api:
    """The page on both servers, one after the other."""
    found: Api = request.getfixturevalue("muster" if request.param == "muster" else "real")
    return found


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens `url` in a window of its own. At the end nothing may have crashed, been asked of others, or broken the policy."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_(url: str, *, width: int = 1280, height: int = 800, theme: str = "light", **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce", **options)
        contexts.append(context)
        context.set_default_timeout(LIMIT)
        page = context.new_page()
        origin = "/".join(url.split("/")[:3]) if url != "about:blank" else "http://127."
        page.on("pageerror", lambda error: wrong.append(f"crashed: {error}"))
        page.on("console", lambda message: wrong.append(message.text) if "Content Security Policy" in message.text else None)
        page.on("request", lambda one: None if one.url.startswith((origin, "data:", "blob:")) else wrong.append(f"asked {one.url}"))
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []
