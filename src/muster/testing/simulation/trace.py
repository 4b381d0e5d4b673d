"""The fingerprint of a run: two runs with the same one did the same things at the same times."""

import hashlib
import struct

from muster.testing.simulation.process import Packet

_LINE = struct.Struct("<cdI")


class Trace:
    """Digests all that hosts were told, in order. With `lines` it keeps them too, to compare runs that differ."""

    def __init__(self, keep: bool = False) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self.lines: list[str] | None = [] if keep else None

    def note(self, kind: bytes, time: float, host: int, packet: Packet = ()) -> None:
        """One thing that a host was told; `kind` is one letter."""
        self._digest.update(_LINE.pack(kind, time, host) + b"".join(packet))
        if self.lines is not None:
            self.lines.append(f"{time:.6f} {host} {kind.decode()} {b'|'.join(packet)!r}")

    def fingerprint(self) -> str:
        """The digest of all so far, in hexadecimal."""
        return self._digest.hexdigest()
