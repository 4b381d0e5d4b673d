"""What a server counts and times, and that what comes from the network cannot make the tables grow."""

from muster.model.kv import KVEntry
from muster.raft.entries import COMMAND, Proposal
from muster.server.commit_batch import CommitBatch
from muster.server.measures import MOST_OPERATIONS, Measures
from muster.wire.commands import KVSRequest, TxnRequest
from muster.wire.replies import Reply
from muster.wire.requests import ServiceRequest


class Noted:
    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[tuple] = []

    def monotonic(self) -> float:
        return self.now

    def increment(self, name, value=1, labels=()) -> None:
        self.told.append((name, value, *labels))

    def sample(self, name, milliseconds, labels=()) -> None:
        self.told.append((name, milliseconds, *labels))

    gauge = increment


def measures() -> tuple[Measures, Noted]:
    noted = Noted()
    return Measures(noted, noted), noted


def put(operation: str = "set") -> KVSRequest:
    return KVSRequest(op=operation, entry=KVEntry(key="a"))


def test_applying_is_timed_by_operation_and_a_leader_times_each_command_of_its_batches():
    measured, noted = measures()
    measured.applied(put(), 0.001, leads=True)
    measured.applied(put("cas"), 0.002, leads=True)
    measured.applied(TxnRequest(), 0.003, leads=True)
    assert noted.told == [("fsm.kvs", 1.0, ("op", "set")), ("fsm.kvs", 2.0, ("op", "cas")), ("fsm.txn", 3.0)]
    noted.told.clear()
    measured.batch(3, 0.01)
    assert noted.told == [
        ("raft.apply", 3), ("raft.commitTime", 10.0), ("raft.commitNumLogs", 3), ("kvs.apply", 10.0), ("kvs.apply", 10.0), ("txn.apply", 10.0),
    ]  # fmt: skip
    noted.told.clear()
    measured.batch(1, 0.01)
    assert [name for name, *_ in noted.told] == ["raft.apply", "raft.commitTime", "raft.commitNumLogs"]


def test_what_another_leader_proposed_is_no_write_of_this_one():
    measured, noted = measures()
    measured.applied(put(), 0.001, leads=False)
    measured.applied(put(), 0.001, leads=True)
    measured.not_ours()
    noted.told.clear()
    measured.batch(1, 0.01)
    assert "kvs.apply" not in {name for name, *_ in noted.told}


def test_operations_that_nobody_knows_do_not_make_the_tables_grow():
    measured, noted = measures()
    for number in range(10 * MOST_OPERATIONS):
        measured.applied(put(f"operation-{number}"), 0.001, leads=False)
    assert len({labels for _, _, *labels in noted.told for labels in labels}) <= MOST_OPERATIONS


def test_reads_of_services_are_counted_by_service_and_others_are_timed():
    measured, noted = measures()
    run = measured.bind("Health.ServiceNodes", lambda method, request: Reply(value=None))
    run("Health.ServiceNodes", ServiceRequest(service_name="web", service_tags=("a", "b")))
    assert noted.told == [
        ("health.service.query", 1, ("service", "web")),
        ("health.service.query-tag", 1, ("service", "web"), ("tag", "a")),
        ("health.service.query-tag", 1, ("service", "web"), ("tag", "b")),
    ]
    noted.told.clear()

    def slowly(method, request) -> Reply:
        noted.now += 0.25
        return Reply(value=None)

    assert measured.bind("Txn.Read", slowly)("Txn.Read", None) == Reply(value=None)
    assert noted.told == [("txn.read", 250.0)]
    assert measured.bind("KVS.Get", slowly) is slowly


def test_a_batch_knows_how_many_entries_were_applied_and_since_when():
    batch = CommitBatch()
    assert batch.applied(10) is None
    for count, now in ((2, 1.0), (3, 2.0)):
        for _ in range(count):
            batch.add(Proposal(COMMAND, b"x", b"", None), None)
        batch.take(1 if now == 1.0 else 3, now)
    assert batch.applied(1) is None
    assert batch.applied(2) == (2, 1.0)
    assert batch.applied(9) == (3, 2.0)
    for _ in range(2):
        batch.add(Proposal(COMMAND, b"x", b"", None), None)
    batch.take(6, 3.0)
    batch.fail(RuntimeError())
    assert batch.applied(9) is None, "what was lost with the leadership is not measured"
