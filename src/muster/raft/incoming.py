"""What a follower looks at in a leader's entries before it takes them."""

from muster.model.errors import DecodeError
from muster.raft.entries import CONFIGURATION
from muster.raft.log import Log
from muster.raft.membership import Configuration, decode_configuration
from muster.raft.messages import AppendEntries


def check(message: AppendEntries) -> list[tuple[int, Configuration]]:
    """The configurations among the entries, each with its index. Raises DecodeError if the entries do not follow each other."""
    found: list[tuple[int, Configuration]] = []
    term = message.previous_term
    for index, entry in enumerate(message.entries or (), message.previous_index + 1):
        if entry.index != index or not term <= entry.term <= message.term:
            raise DecodeError(f"AppendEntries: entry {entry.index} of term {entry.term} does not follow")
        term = entry.term
        if entry.type == CONFIGURATION:
            found.append((index, decode_configuration(entry.data)))
    return found


def follows(log: Log, message: AppendEntries) -> bool:
    """Whether the log agrees with the leader's at the entry before these; what a snapshot replaced is committed, so it does."""
    return message.previous_index < log.snapshot_index or log.term(message.previous_index) == message.previous_term


def contradicts(log: Log, message: AppendEntries) -> bool:
    """Whether the leader's log shows that this server's snapshot is no part of what was agreed on.

    An operator's snapshot counts from when the leader that restored it has replaced its own state, before a majority has it. If another
    one leads before that, entries of a higher term stand where this snapshot does. No other snapshot can be contradicted.
    """
    if message.previous_index <= log.snapshot_index and message.previous_term > log.snapshot_term:
        return True
    for entry in message.entries or ():
        if entry.index > log.snapshot_index:
            return False
        if entry.term > log.snapshot_term or (entry.index == log.snapshot_index and entry.term != log.snapshot_term):
            return True
    return False


def first_new(log: Log, message: AppendEntries) -> int:
    """The place, among the entries, of the first that the log does not hold. What a snapshot replaced counts as held."""
    entries = message.entries or ()
    if not entries or entries[0].index > log.last_index:
        return 0
    for place, entry in enumerate(entries):
        if entry.index > log.snapshot_index and log.term(entry.index) != entry.term:
            return place
    return len(entries)
