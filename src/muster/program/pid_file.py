"""The file that tells the agent's process id."""

import os
from pathlib import Path

from muster.model.errors import ConfigurationError


class PidFile:
    """Holds the process id as long as the agent runs. Use as a context manager; an empty path makes none."""

    def __init__(self, path: str) -> None:
        self.path = Path(path) if path else None

    def __enter__(self) -> "PidFile":
        if self.path is not None:
            try:
                self.path.write_text(str(os.getpid()))
            except OSError as error:
                raise ConfigurationError(
                    f"pid_file: cannot write {str(self.path)!r}: {error.strerror}; name a file in a writable folder"
                ) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
