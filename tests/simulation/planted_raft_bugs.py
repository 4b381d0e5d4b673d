"""Bugs for the simulation to find: each replaces one small part of consensus or of its storage by one that is wrong."""

from collections.abc import Callable
from typing import Any

import pytest

from muster.raft import node as node_module
from muster.raft.effects import Verified
from muster.raft.leadership import Leadership
from muster.raft.membership import Configuration
from muster.raft.node import Node
from muster.raft.voter import Voter
from muster.server import consensus as consensus_module
from muster.server import consensus_effects as effects_module
from muster.server.consensus_effects import EffectRunner
from muster.server.consensus_snapshots import Snapshots
from muster.storage.log import CLAIM_BYTES, DiskLog
from muster.storage.snapshots import SnapshotMeta

Plant = Callable[[pytest.MonkeyPatch], None]


def vote_not_persisted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EffectRunner, "_save_vote", lambda self, effect: None)


def commit_of_an_old_terms_entry_by_count(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Node, now: float) -> Any:
        return self._commit(self._office.quorum_index()) if self._office is not None else []

    patch.setattr(Node, "_commit_by_quorum", wrong)


def lease_without_a_quorum(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leadership, "quorum_contact", lambda self, now: now)
    patch.setattr(Leadership, "lease_valid", lambda self, now: True)


def stale_read_after_a_partition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leadership, "verify", lambda self, now, number: [Verified(number)])


def snapshot_that_forgets_the_configuration(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Snapshots, index: int, term: int) -> SnapshotMeta:
        return SnapshotMeta(term, index, int(self._clock.wall() * 1000), Configuration(), 0)

    patch.setattr(Snapshots, "_meta", wrong)


def acknowledgement_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: DiskLog, segment: Any, data: bytes) -> int:
        segment.claimed = max(segment.claimed, segment.end + len(data) + CLAIM_BYTES)
        segment.file.write(data, segment.end)
        return segment.end

    patch.setattr(DiskLog, "_write", wrong)


def acknowledgement_before_the_write(patch: pytest.MonkeyPatch) -> None:
    append = EffectRunner._append

    def wrong(self: EffectRunner, effect: Any) -> None:
        append(self, effect)
        self._writing = self._node.role is node_module.Role.LEADER

    patch.setattr(EffectRunner, "_append", wrong)


def applied_again_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    make = consensus_module.make_node

    def wrong(*arguments: Any) -> Node:
        made = make(*arguments)
        made.commit_index = max(made.log.first_index - 1, made.commit_index - 3)
        return made

    patch.setattr(consensus_module, "make_node", wrong)
    init = EffectRunner.__init__

    def begun(self: EffectRunner, node: Node, *arguments: Any) -> None:
        init(self, node, *arguments)
        self.applier.applied_index = node.commit_index

    patch.setattr(EffectRunner, "__init__", begun)


def truncation_below_the_commit_index(patch: pytest.MonkeyPatch) -> None:
    """Entries that come again, late, cut off what was appended behind them, committed or not."""
    receive = Node._append_entries

    def store(self: Node, entries: Any, configurations: Any) -> Any:
        first = entries[0].index
        self.configurations.truncated(first)
        self.log.append(entries)
        for index, configuration in configurations:
            if index > self.configurations.latest_index:
                self.configurations.appended(configuration, index)
        return [node_module.Append(entries)]

    def wrong(self: Node, now: float, sender: str, message: Any) -> Any:
        known, self.commit_index = self.commit_index, 0 if message.entries else self.commit_index
        commit, self._commit = self._commit, lambda index: []  # type: ignore[method-assign]
        try:
            effects = receive(self, now, sender, message)
        finally:
            del self._commit
            self.commit_index = known
        agreed = message.previous_index + len(message.entries or ())
        return effects[:-1] + commit(min(message.commit_index, agreed)) + effects[-1:] if _succeeds(effects) else effects

    patch.setattr(
        node_module, "first_new", lambda log, message: 0 if message.previous_index >= log.snapshot_index else len(message.entries)
    )
    patch.setattr(Node, "_store", store)
    patch.setattr(Node, "_append_entries", wrong)


def _succeeds(effects: Any) -> bool:
    return bool(effects) and getattr(getattr(effects[-1], "message", None), "success", False)


def entries_that_agree_are_replaced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(node_module, "first_new", lambda log, message: 0)


def two_changes_of_membership_at_once(patch: pytest.MonkeyPatch) -> None:
    class Open:
        async def __aenter__(self) -> None:
            pass

        async def __aexit__(self, *_: object) -> None:
            pass

    init = consensus_module.Consensus.__init__

    def wrong(self: Any, **settings: Any) -> None:
        init(self, **settings)
        self._changing = Open()

    patch.setattr(consensus_module.Consensus, "__init__", wrong)
    patch.setattr(Node, "may_reconfigure", lambda self: True)


def success_without_the_entry(patch: pytest.MonkeyPatch) -> None:
    follows = node_module.follows
    patch.setattr(node_module, "follows", lambda log, message: not message.entries or follows(log, message))


def terms_of_earlier_entries_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(node_module, "follows", lambda log, message: message.previous_index <= log.last_index)


def a_vote_for_a_shorter_log(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Voter, "_up_to_date", lambda self, message: True)


def a_log_that_was_not_synced_is_trusted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DiskLog, "_make_durable", lambda self, segment: None)


def a_failed_disk_acknowledges(patch: pytest.MonkeyPatch) -> None:
    right = effects_module._needs_no_disk
    patch.setattr(effects_module, "_needs_no_disk", lambda effect: isinstance(effect, effects_module.Send) or right(effect))


PLANTED: dict[Plant, int] = {
    vote_not_persisted: 0,
    commit_of_an_old_terms_entry_by_count: 0,
    snapshot_that_forgets_the_configuration: 1,
    acknowledgement_before_the_sync: 0,
    acknowledgement_before_the_write: 0,
    applied_again_after_a_restart: 0,
    truncation_below_the_commit_index: 0,
    entries_that_agree_are_replaced: 0,
    two_changes_of_membership_at_once: 0,
    success_without_the_entry: 0,
    terms_of_earlier_entries_not_compared: 0,
    a_vote_for_a_shorter_log: 0,
    a_log_that_was_not_synced_is_trusted: 5,
    a_failed_disk_acknowledges: 1,
}
"""Each bug, and a seed that finds it."""

SOUGHT: tuple[Plant, ...] = (lease_without_a_quorum, stale_read_after_a_partition)
"""Bugs that no seed has found yet: clients would have to ask a deposed leader for what another one has overwritten."""
