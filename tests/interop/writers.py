"""Writers that note what was acknowledged, while the servers behind them change."""

import contextlib
import http.client
import json
import threading
from base64 import b64decode

from mixed_servers import MixedServer, until

PAUSE = 0.02  # seconds between two writes of one writer: a load that is always there and leaves the machine to the servers


class Writers:
    """One thread for each agent, each writing keys of its own. A context manager; afterwards `lost` tells what is missing."""

    def __init__(self, agents: list[MixedServer]) -> None:
        self.acknowledged: dict[str, str] = {}
        self.failed: list[str] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(agent, at), daemon=True) for at, agent in enumerate(agents)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def lost(self, server: MixedServer) -> list[str]:
        """What was acknowledged and is not there, or not as it was written."""
        rows = until(lambda: server.ask("/v1/kv/written/?recurse&consistent"), "all that was written", servers=[server])
        found = {row["Key"]: b64decode(row["Value"] or "").decode() for row in rows}
        return [key for key, value in self.acknowledged.items() if found.get(key) != value]

    def _write(self, agent: MixedServer, writer: int) -> None:
        number = 0
        while not self._ended.wait(PAUSE):
            number += 1
            key, value = f"written/{writer}/{number:06}", f"value {number} of {agent.name}"
            try:
                status, answer, _ = agent.call("PUT", f"/v1/kv/{key}", value, timeout=30)
            except (OSError, http.client.HTTPException) as error:
                status, answer = 0, str(error).encode()
            with contextlib.suppress(ValueError):
                if status == 200 and json.loads(answer) is True:
                    self.acknowledged[key] = value
                    continue
            self.failed.append(f"{key}: {status} {answer!r}")
