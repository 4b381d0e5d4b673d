"""Whether a server may start on what it finds in its data directory."""

from muster.model.errors import ConfigurationError
from muster.storage.files import Files
from muster.storage.raft_storage import DIRECTORY


def check(files: Files, data_directory: str) -> None:
    """Raises ConfigurationError for a directory on which a server would lose or betray data.

    To be called for servers only, before anything is written; the log must be opened before `node-id` is written, so
    that a crash between the two does not look like a lost log.
    """
    names = files.list(f"{data_directory}/raft")
    has_log = any(name.endswith(".wal") for name in files.list(f"{data_directory}/{DIRECTORY}/log"))
    if "raft.db" in names and has_log:
        raise ConfigurationError(
            f"data_dir: {data_directory!r} holds Muster's log (raft/muster) and one that Consul began beside it (raft/raft.db): nobody can "
            "tell which of them acknowledged what; empty the data directory and let this server join the others (retry_join)"
        )
    if has_log:
        return
    if "raft.db" in names:
        raise ConfigurationError(
            f"data_dir: {data_directory!r} holds the Raft log of a Consul server (raft/raft.db). Two ways on: stop Consul and run "
            f"`muster migrate {data_directory}`, which takes it over; or start with an empty data directory and let this server join "
            "the others as a new one (retry_join)"
        )
    if "muster.new" in names:
        raise ConfigurationError(f"data_dir: {data_directory!r} is being migrated; run `muster migrate {data_directory}` to finish it")
    if "node-id" in files.list(data_directory):
        raise ConfigurationError(
            f"data_dir: {data_directory!r} has a node-id but no Raft log: this server has forgotten what it acknowledged, and two "
            "such servers lose data. Two ways on: empty the data directory and let this server join the others as a new one "
            "(retry_join); or, if it was the only server, empty the data directory, start, and run `muster snapshot restore FILE` "
            "with the last snapshot"
        )
