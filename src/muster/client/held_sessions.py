"""A session that is kept alive by a thread of its own as long as it is wanted."""

import threading
import time
from typing import TYPE_CHECKING

from muster.client.errors import ClientError, RequestFailed
from muster.model.durations import parse_duration, seconds

if TYPE_CHECKING:
    from muster.client.client import Client

RETRY = 1.0  # seconds between tries to renew while the agent cannot be reached


class HeldSession:
    """Makes a session and renews it twice in its time to live; `lost` is set once it cannot be alive any more."""

    def __init__(self, client: "Client", *, name: str, ttl: str, behavior: str = "", lock_delay: str = "") -> None:
        self._client = client
        self._ttl = seconds(parse_duration(ttl))
        self._stop = threading.Event()
        self.lost = threading.Event()
        self.id = client.session.create(name=name, ttl=ttl, behavior=behavior, lock_delay=lock_delay)
        threading.Thread(target=self._renew, name=f"renews session {self.id}", daemon=True).start()

    def end(self) -> None:
        """Stops the renewal and ends the session; that it cannot be reached is no error, since its time runs out by itself."""
        self._stop.set()
        try:
            self._client.session.destroy(self.id)
        except ClientError:
            return

    def _renew(self) -> None:
        renewed, wait = time.monotonic(), self._ttl / 2
        while not self._stop.wait(wait):
            if time.monotonic() - renewed > self._ttl:
                break
            began = time.monotonic()
            try:
                if self._client.session.renew(self.id) is None:
                    break
            except RequestFailed as error:
                if error.status < 500:
                    break
                wait = RETRY
            except ClientError:
                wait = RETRY
            else:
                renewed, wait = began, self._ttl / 2
        else:
            return
        self.lost.set()
