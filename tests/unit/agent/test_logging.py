"""Log lines: their form, where they go, and what must not be in them."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_fakes import in_loop, settle

from muster.agent.logging import JsonFormatter, LineFormatter, LogSettings, Monitor, RotatedFile, configure, level_number, set_level
from muster.model.errors import BadRequest


@pytest.fixture(autouse=True)
def _restored_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    for handler in handlers:
        if handler not in root.handlers:
            root.addHandler(handler)
    root.setLevel(level)


def record(message: str = "Synced service: service=web", level: int = logging.WARNING, name: str = "agent") -> logging.LogRecord:
    made = logging.LogRecord(name, level, "", 0, message, (), None)
    made.created = 1795520268.123456
    return made


@pytest.mark.parametrize(
    ("level", "tag"),
    [(5, "[TRACE]"), (logging.DEBUG, "[DEBUG]"), (logging.INFO, "[INFO] "), (logging.WARNING, "[WARN] "), (logging.ERROR, "[ERROR]")],
)
def test_a_line_is_the_peers(level: int, tag: str) -> None:
    assert LineFormatter("    ").format(record(level=level)) == f"    2026-11-24T11:37:48.123Z {tag} agent: Synced service: service=web"


def test_a_json_line_has_the_peers_fields() -> None:
    assert json.loads(JsonFormatter().format(record(name="muster.http"))) == {
        "@level": "warn",
        "@message": "Synced service: service=web",
        "@module": "agent.http",
        "@timestamp": "2026-11-24T11:37:48.123456Z",
    }


@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()])
def test_no_token_of_a_url_reaches_the_log(formatter: logging.Formatter) -> None:
    line = formatter.format(record("Request finished: url=/v1/kv/a?raw&token=secret&x=1"))
    assert "secret" not in line
    assert "token=<hidden>&x=1" in line


def test_an_unknown_level_is_refused_in_the_peers_words() -> None:
    with pytest.raises(BadRequest, match="Unknown log level: absent"):
        level_number("absent")


def test_a_file_that_is_full_is_followed_by_another_and_the_oldest_go(tmp_path: Path) -> None:
    handler = RotatedFile(str(tmp_path / "muster.log"), rotate_bytes=100, max_files=2)
    handler.setFormatter(LineFormatter())
    for number in range(20):
        handler.emit(record(f"line {number} " + "x" * 60))
    handler.close()
    files = sorted(tmp_path.glob("muster-*.log"))
    assert len(files) == 3, "two old ones, and the one that is written to"
    assert "line 19" in files[-1].read_text()


def test_the_settings_send_the_log_to_its_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(level="WARN", file=str(tmp_path / "a.log")))
    logging.getLogger("agent").info("too low")
    logging.getLogger("agent").warning("high enough")
    set_level("ERR")
    logging.getLogger("agent").warning("too low now")
    text = next(tmp_path.glob("a-*.log")).read_text()
    assert "high enough" in text
    assert "too low" not in text
    assert capsys.readouterr().out.startswith("    20")


@in_loop
async def test_a_monitor_sees_lines_below_the_agents_own_level_while_it_looks() -> None:
    configure(LogSettings(level="ERR"))
    monitor = Monitor(logging.DEBUG, as_json=False)
    lines = monitor.lines()
    reading = asyncio.ensure_future(anext(lines))
    await settle()
    logging.getLogger("agent").debug("a detail")
    assert (await reading).endswith(b"[DEBUG] agent: a detail\n")
    await lines.aclose()
    assert logging.getLogger().level == logging.ERROR
    assert monitor not in logging.getLogger().handlers


@in_loop
async def test_a_monitor_that_nobody_reads_loses_lines_instead_of_memory() -> None:
    monitor = Monitor(logging.DEBUG, as_json=False)
    for number in range(2000):
        monitor.emit(record(str(number)))
    await settle()
    assert monitor.dropped == 2000 - 512
