"""One data directory belongs to one agent at a time."""

import fcntl
import os
from pathlib import Path

from muster.model.errors import ConfigurationError

NAME = "muster.lock"


class DataLock:
    """Held from its making to `release`; the kernel releases it when the process ends, however that comes.

    An empty directory name locks nothing. `ConfigurationError` if another agent holds it, or if the directory cannot be written.
    """

    def __init__(self, data_directory: str) -> None:
        self._descriptor = -1
        if not data_directory:
            return
        path = Path(data_directory) / NAME
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise ConfigurationError(
                f"data_dir: {data_directory!r} is in use by another agent; give each agent a data directory of its own"
            ) from error
        except OSError as error:
            self.release()
            raise ConfigurationError(
                f"data_dir: cannot write {str(path)!r}: {error.strerror}; name a directory that the agent's user may write"
            ) from error

    def release(self) -> None:
        """Let another agent have it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
