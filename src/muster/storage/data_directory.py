"""Whether a server may start on what it finds in its data directory."""

from muster.model.errors import ConfigurationError
from muster.storage.files import Files
from muster.storage.raft_storage import DIRECTORY


def check(files: Files, data_directory: str) -> None:
    """Raises ConfigurationError for a directory on which a server would lose or betray data.

    To be called for servers only, before anything is written; the log must be opened before `node-id` is written, so
    that a crash between the two does not look like a lost log.
    """
    if any(name.endswith(".wal") for name in files.list(f"{data_directory}/{DIRECTORY}/log")):
        return
    if "raft.db" in files.list(f"{data_directory}/raft"):
        raise ConfigurationError(
            f"data_dir: {data_directory!r} holds the Raft log of a Consul server (raft/raft.db), which Muster does not read. "
            "Two ways on: start with an empty data directory and let this server join the others (retry_join), one server after "
            "the other; or save the state with `consul snapshot save FILE` while Consul still runs, start Muster with an empty "
            "data directory and run `muster snapshot restore FILE`"
        )
    if "node-id" in files.list(data_directory):
        raise ConfigurationError(
            f"data_dir: {data_directory!r} has a node-id but no Raft log: this server has forgotten what it acknowledged, and two "
            "such servers lose data. Two ways on: empty the data directory and let this server join the others as a new one "
            "(retry_join); or, if it was the only server, empty the data directory, start, and run `muster snapshot restore FILE` "
            "with the last snapshot"
        )
