"""Runs the rows of `command_line_rows` with a program against an agent, and makes the outcome comparable."""

import http.client
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

from command_line_rows import FILES, GROUPS, WITHOUT_AGENT

RECORDED = Path(__file__).with_name("command_line.json")
NO_AGENT = "without an agent"
UNUSED_ADDRESS = "127.0.0.1:1"
LIMIT = 30  # seconds for one command

PATTERNS = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r'((?:Create|Modify|Lock)Index(?:"?:| ) *)\d+'), r"\1<index>"),
    (re.compile(r"(\.unverified\.tmp)\d*"), r"\1"),
    (re.compile(r"(to index )\d+"), r"\1<index>"),
    (re.compile(r"(?m)^(ID|Size|Index|Term|Version)( +)[\d-]+$"), r"\1\2<number>"),
    (re.compile(r"[\d.]+ ms"), "<time> ms"),
    (re.compile(r"(?m)^(test-node +)[0-9a-f]{8}( +127)"), r"\1<id>\2"),
    (re.compile(r"pid \d+"), "pid <pid>"),
]


def groups() -> dict[str, list]:
    return {**GROUPS, NO_AGENT: list(WITHOUT_AGENT)}


def label(row: str | dict) -> str:
    """The row as its reader would type it."""
    return row if isinstance(row, str) else row["line"]


def write_files(folder: Path) -> None:
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


class Runner:
    """Runs rows with `program`. `ports` are the agent's by role."""

    def __init__(self, program: Path, files: Path, ports: dict[str, int]) -> None:
        self.program = program
        self.files = files
        self.ports = ports

    def run_group(self, name: str) -> list[dict]:
        """What every command line of the group gives, in order."""
        address = UNUSED_ADDRESS if name == NO_AGENT else f"127.0.0.1:{self.ports['http']}"
        outcomes = []
        for row in groups()[name]:
            if isinstance(row, dict) and "request" in row:
                self._request(*row["request"])
            else:
                stdin = row.get("stdin", "") if isinstance(row, dict) else ""
                outcomes.append(self._run(label(row), stdin, address))
        return outcomes

    def _request(self, method: str, path: str, body: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["http"], timeout=10)
        connection.request(method, path, body)
        answer = connection.getresponse()
        assert answer.status == 200, (path, answer.status, answer.read())
        connection.close()

    def _run(self, line: str, stdin: str, address: str) -> dict:
        filled = line
        for name, value in {"files": self.files, **self.ports}.items():
            filled = filled.replace("{" + name + "}", str(value))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CONSUL_")}
        environment |= {"CONSUL_HTTP_ADDR": address, "SHELL": "/bin/sh"}
        words = [str(self.program), *shlex.split(filled)]
        done = subprocess.run(words, input=stdin.encode(), capture_output=True, timeout=LIMIT, env=environment, cwd=self.files)
        return {
            "line": line,
            "status": done.returncode,
            "stdout": self.normalise(done.stdout),
            "stderr": self.normalise(done.stderr),
        }

    def normalise(self, output: bytes) -> str:
        """The output without what differs from run to run; help texts are in each program's own words and only noted."""
        text = output.decode("utf-8", "backslashreplace").replace(str(self.files), "<files>")
        for role, port in self.ports.items():
            text = re.sub(rf"\b{port}\b", f"<{role}>", text)
        if text.startswith("Usage:") or "\nUsage:" in text:
            text = text[: text.index("Usage:")] + "Usage: …"
        for pattern, replacement in PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def recorded() -> dict[str, list[dict]]:
    return json.loads(RECORDED.read_text())
