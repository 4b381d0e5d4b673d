"""Taking over a Consul server's data directory: the recorded one of a real server, damaged ones, and power cuts at every step."""

import fcntl
import random
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from muster.cli.main import main
from muster.model.errors import ConfigurationError, CorruptFile
from muster.program.data_lock import DataLock
from muster.program.migration import Migration, migrate
from muster.raft.entries import COMMAND
from muster.server.replicated_state import ReplicatedState
from muster.state.store import Store
from muster.storage import data_directory
from muster.storage.files import RealFiles
from muster.storage.raft_storage import RaftStorage, open_on_disk
from muster.testing.disk import FaultyDisk, PowerCut

sys.path.insert(0, str(Path(__file__).parents[1] / "storage"))
from bolt_writer import BoltWriter
from test_consul_files import entry, number

RECORDED = Path(__file__).parents[2] / "vectors" / "consul-data" / "server.tar.gz"
NODE_ID = "f660703c-a921-f5dd-2c03-1d8e5723758b"
SNAPSHOT = "2-52-1795545867447"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with tarfile.open(RECORDED) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    return tmp_path / "data"


def chance() -> random.Random:
    return random.Random(1)


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the lock, which every agent makes."""
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file() and one.name != "muster.lock"}


def state_of(storage: RaftStorage) -> Store:
    state = ReplicatedState(Store())
    first = 1
    if storage.newest is not None:
        with storage.snapshots.open(storage.newest) as stream:
            state.restore(stream)
        first = storage.newest.index + 1
    for one in storage.log.read(first, storage.log.last_index):
        if one.type == COMMAND:
            state.apply(one.index, one.data, None)
    return state.store


def test_a_recorded_server_goes_on_where_it_stopped(data):
    before = contents(data)
    found = migrate(str(data), chance(), check_only=False)
    assert found is not None
    assert (found.node_id, found.term, found.candidate, found.first_index, found.last_index) == (NODE_ID, 2, "127.0.9.20:8300", 1, 74)
    data_directory.check(RealFiles(), str(data))
    storage = open_on_disk(RealFiles(), str(data), chance())
    assert (storage.vote.term, storage.vote.candidate) == (2, "127.0.9.20:8300")
    assert (storage.log.first_index, storage.log.last_index) == (1, 74)
    assert storage.newest is not None
    assert (storage.newest.identity, storage.newest.configuration.voters()) == (SNAPSHOT, [NODE_ID])
    store = state_of(storage)
    assert [one.value for one in store.kv.list("after/")[1]][:2] == [b"value 1", b"value 10"]
    assert store.kv.get("before/7")[1] is None
    assert store.kv.get("lock")[1].session == store.sessions.list()[1][0].id
    assert [query.name for query in store.queries.list()[1]] == ["find"]
    kept = {name.replace(".migrated", ""): content for name, content in contents(data).items() if not name.startswith("raft/muster/")}
    assert kept == before, "all that Consul wrote is there still"


def test_a_check_changes_nothing(data):
    before = contents(data)
    assert migrate(str(data), chance(), check_only=True).last_index == 74
    assert contents(data) == before


def test_a_second_call_has_nothing_to_do(data):
    migrate(str(data), chance(), check_only=False)
    before = contents(data)
    assert migrate(str(data), chance(), check_only=False) is None
    assert contents(data) == before


def test_a_log_without_a_snapshot_is_taken_over(data):
    shutil.rmtree(data / "raft" / "snapshots")
    found = migrate(str(data), chance(), check_only=False)
    assert (found.snapshot, found.first_index, found.last_index) == (None, 1, 74)
    assert len(state_of(open_on_disk(RealFiles(), str(data), chance())).kv.list("before/")[1]) == 39


def write_log(data: Path, entries: dict[int, bytes]) -> None:
    values = {b"CurrentTerm": number(9)}
    logs = {number(index): value for index, value in entries.items()}
    (data / "raft" / "raft.db").write_bytes(BoltWriter().file({b"conf": values, b"logs": logs}))


NOOP = {"Data": None}
LOGS = [
    pytest.param({n: entry(n, 2, 1, **NOOP) for n in range(40, 56)}, (40, 55), id="trailing entries"),
    pytest.param(
        {n: entry(n, 2, 1, **NOOP) for n in (*range(1, 9), *range(53, 56))}, (53, 55), id="old entries before an installed snapshot"
    ),
    pytest.param({n: entry(n, 2, 1, **NOOP) for n in range(1, 30)}, (53, 52), id="nothing as new as the snapshot"),
    pytest.param({n: entry(n, 1, 1, **NOOP) for n in range(1, 60)}, (53, 52), id="another history than the snapshot's"),
    pytest.param({}, (53, 52), id="nothing"),
]


@pytest.mark.parametrize(("entries", "expected"), LOGS)
def test_entries_are_taken_that_belong_to_the_snapshot(data, entries, expected):
    write_log(data, entries)
    found = migrate(str(data), chance(), check_only=False)
    assert (found.first_index, found.last_index) == expected
    storage = open_on_disk(RealFiles(), str(data), chance())
    assert (storage.log.first_index, storage.log.last_index, storage.vote.term) == (*expected, 9)
    kept = storage.log.read(*expected) if expected[1] >= expected[0] else ()
    assert [one.index for one in kept] == list(range(expected[0], expected[1] + 1))


def remove_snapshot(data: Path) -> None:
    (data / "raft" / "snapshots" / SNAPSHOT / "state.bin").write_bytes(b"")
    write_log(data, {n: entry(n, 2, 1, **NOOP) for n in range(40, 56)})


def state_of_the_future(data: Path) -> None:
    write_log(data, {n: entry(n, 2, 0, Data=b"\x02\xc1") for n in range(53, 54)})


REFUSED = [
    pytest.param(shutil.rmtree, "is no data directory of a Consul server.*data_dir", id="no directory"),
    pytest.param(lambda data: shutil.rmtree(data / "raft"), "client agent's directory needs no migration", id="a client agent's"),
    pytest.param(lambda data: (data / "raft" / "raft.db").unlink(), "neither Consul's log.*nor Muster's.*join the others", id="no log"),
    pytest.param(lambda data: (data / "raft" / "raft.db").write_bytes(b"x" * 9000), "raft.db: offset 0: no valid meta page", id="no Bolt file"),
    pytest.param(remove_snapshot, "log begins at 40, the newest whole snapshot ends at 0.*join the others", id="damaged snapshot"),
    pytest.param(state_of_the_future, "entry 53: .*join the others", id="an entry that means nothing"),
    pytest.param(lambda data: (data / "node-id").write_text("x"), "node-id: 'x' is no UUID", id="no node id"),
    pytest.param(lambda data: (data / "serf" / "local.keyring").write_text("[]"), "local.keyring: it holds no keys", id="no keys"),
    pytest.param(lambda data: (data / "raft" / "muster" / "log").mkdir(parents=True) or (data / "raft" / "muster" / "log" / "1.wal").touch(),
                 "nobody can tell", id="both programs' logs"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "complaint"), REFUSED)
def test_a_refusal_names_the_way_on_and_changes_nothing(data, spoil, complaint):
    spoil(data)
    before = contents(data) if data.exists() else None
    with pytest.raises((ConfigurationError, CorruptFile), match=f"(?s){complaint}"):
        migrate(str(data), chance(), check_only=False)
    assert (contents(data) if data.exists() else None) == before


def test_servers_that_are_known_by_their_addresses_are_refused(data):
    shutil.rmtree(data / "raft" / "snapshots")
    configuration = b"\x81\xa7Servers\x91\x83\xa7Address\xa3a:1\xa2ID\xa3a:1\xa8Suffrage\x00"
    write_log(data, {1: entry(1, 1, 5, Data=configuration)})
    with pytest.raises(ConfigurationError, match="raft_protocol = 3"):
        migrate(str(data), chance(), check_only=False)


def test_a_running_consul_is_named(data):
    with (data / "raft" / "raft.db").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = contents(data)
        with pytest.raises(ConfigurationError, match="in use by a running Consul; stop it first"):
            migrate(str(data), chance(), check_only=False)
        assert contents(data) == before
    assert migrate(str(data), chance(), check_only=False) is not None


def test_a_running_muster_is_named(data):
    lock = DataLock(str(data))
    with pytest.raises(ConfigurationError, match="in use by another agent"):
        migrate(str(data), chance(), check_only=False)
    lock.release()


def faulty(data: Path) -> FaultyDisk:
    disk = FaultyDisk()
    for path, content in contents(data).items():
        place = f"/data/{path}"
        disk.make_directory(place.rpartition("/")[0])
        file = disk.open(place, create=True)
        file.write(content, 0)
        file.sync()
        disk.sync_directory(place.rpartition("/")[0])
    return disk


def run(disk: FaultyDisk) -> None:
    migration = Migration(disk, "/data", chance())
    if migration.is_interrupted():
        migration.finish()
    if not migration.is_done():
        migration.write(migration.read())


def test_wherever_the_power_is_cut_one_program_alone_can_start_and_a_second_call_ends_it(data):
    whole = faulty(data)
    start = whole.operations
    run(whole)
    for cut in range(start, whole.operations + 1):
        disk = faulty(data)
        disk.cut_at = cut
        try:
            run(disk)
        except PowerCut:
            pass
        seed = random.Random(cut)
        found = disk.crash(seed)
        names = found.list("/data/raft")
        ours = bool(found.list("/data/raft/muster/log"))
        assert not (ours and "raft.db" in names), "never both"
        if not ours:
            with pytest.raises(ConfigurationError, match="muster migrate"):
                data_directory.check(found, "/data")
        run(found)
        storage = open_on_disk(found, "/data", seed)
        assert (storage.log.last_index, storage.vote.term, storage.newest.index) == (74, 2, 52)
        assert {"raft.db.migrated", "snapshots.migrated", "muster"} <= set(found.list("/data/raft"))


def test_a_full_disk_leaves_everything_as_it_was(data):
    disk = faulty(data)
    disk.full_after = 20_000
    with pytest.raises(ConfigurationError, match="No space left on device; nothing was changed"):
        run(disk)
    assert disk.list("/data/raft") == ["raft.db", "snapshots"]
    disk.full_after = None
    run(disk)


def test_the_command_tells_what_it_found(data, capsys):
    assert main(["migrate", "-check", str(data)]) == 0
    assert main(["migrate", str(data)]) == 0
    assert main(["migrate", f"{data}/"]) == 0
    said = capsys.readouterr().out
    for line in (
        f"Node ID   {NODE_ID}",
        "Term      2, vote for 127.0.9.20:8300",
        f"Snapshot  {SNAPSHOT}, ",
        "Log       74 entries, 1 to 74",
    ):
        assert said.count(line) == 2
    assert f"Server    {NODE_ID} 127.0.9.20:8300 voter" in said
    assert said.index("Nothing was changed") < said.index("Migrated.") < said.index("nothing to do")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param([], "Missing DATA_DIR argument", id="no directory"),
        pytest.param(["a", "b"], "Too many arguments (expected 1, got 2)", id="two directories"),
        pytest.param(["/nowhere/at/all"], "Error migrating /nowhere/at/all: '/nowhere/at/all' is no data directory", id="not there"),
    ],
)
def test_a_wrong_command_line_is_refused(capsys, arguments, complaint):
    assert main(["migrate", *arguments]) == 1
    assert complaint in capsys.readouterr().err
