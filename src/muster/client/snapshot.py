"""Snapshots of the servers' state as archives."""

from typing import IO

from muster.client.base import Endpoints
from muster.client.errors import RequestFailed

PIECE = 1 << 20  # bytes copied at once


class Snapshots(Endpoints):
    """Saves and restores the whole state."""

    def save(self, file: IO[bytes]) -> None:
        """Writes an archive of the state to the file, piece by piece."""
        with self._transport.stream("GET", "snapshot") as answer:
            if answer.status != 200:
                raise RequestFailed(answer.status, answer.read())
            while piece := answer.read(PIECE):
                file.write(piece)

    def restore(self, file: IO[bytes]) -> None:
        """Replaces the servers' state by that of an archive."""
        self._transport.request("PUT", "snapshot", (), file).require_ok()
