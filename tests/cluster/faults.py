"""What befalls the servers, one fault after another. Each does it, holds it for a while and undoes it; whoever calls waits until all is well."""

import signal
import time
from collections.abc import Callable

from server_hosts import LIMIT, ServerHost, Servers, until

HELD = 3.0  # seconds that a fault lasts: longer than an election with `raft_multiplier` 1
FROZEN = 5.0  # longer than the limit of a stalled disk

Fault = Callable[[Servers], None]


def no_fault(servers: Servers) -> None:
    """For comparison."""
    time.sleep(1.0)


def kill_leader(servers: Servers) -> None:
    """And as many followers as may go with it."""
    killed(minority([servers.leader(), *servers.followers()]))


def kill_follower(servers: Servers) -> None:
    killed(minority([*servers.followers(), servers.leader()]))


def minority(servers: list[ServerHost]) -> list[ServerHost]:
    """The first of them, as many as need not be there."""
    return servers[: (len(servers) - 1) // 2]


def killed(victims: list[ServerHost]) -> None:
    for server in victims:
        server.process.kill()
    for server in victims:
        server.process.wait(LIMIT)
    time.sleep(HELD)
    for server in victims:
        server.start()


def kill_all(servers: Servers) -> None:
    """Power fails, and comes back."""
    for server in servers.all:
        server.process.kill()
    for server in servers.all:
        server.process.wait(LIMIT)
    for server in servers.all:
        server.start()


def suspend_leader(servers: Servers) -> None:
    """It wakes without knowing that time has passed."""
    leader = servers.leader()
    leader.process.send_signal(signal.SIGSTOP)
    time.sleep(HELD)
    leader.process.send_signal(signal.SIGCONT)


def isolate_leader(servers: Servers) -> None:
    """Clients still reach it."""
    leader = servers.leader()
    servers.cut(leader, servers.running(leader))
    time.sleep(HELD)
    servers.mend()


def isolate_follower(servers: Servers) -> None:
    follower = servers.followers()[0]
    servers.cut(follower, servers.running(follower))
    time.sleep(HELD)
    servers.mend()


def isolate_everyone(servers: Servers) -> None:
    for server in servers.all:
        servers.cut(server, servers.running(server))
    time.sleep(HELD)
    servers.mend()


def deafen_leader(servers: Servers) -> None:
    """It sends, and hears no answer."""
    leader = servers.leader()
    for other in servers.followers():
        leader.host.deafen(other.host)
    time.sleep(HELD)
    servers.mend()


def mute_leader(servers: Servers) -> None:
    """It hears, and nobody hears it."""
    leader = servers.leader()
    for other in servers.followers():
        other.host.deafen(leader.host)
    time.sleep(HELD)
    servers.mend()


def break_one_link(servers: Servers) -> None:
    """The leader and one follower do not hear each other; both hear the third."""
    servers.cut(servers.leader(), servers.followers()[:1])
    time.sleep(HELD)
    servers.mend()


def fill_disk_of_leader(servers: Servers) -> None:
    leader = servers.leader()
    leader.disk.fill()
    until(lambda: cannot_write(leader), LIMIT, "the leader's disk is full")
    time.sleep(HELD)
    leader.disk.clear()
    leader.stop(signal.SIGKILL)
    leader.start()


def cannot_write(server: ServerHost) -> bool:
    """Writes much, so that the space runs out that the log had claimed ahead."""
    server.call("PUT", "/v1/kv/ballast", "x" * 60_000, timeout=15)
    return "nothing is acknowledged any more" in server.log()[-20_000:]


def freeze_disk_of_leader(servers: Servers) -> None:
    servers.leader().disk.freeze(FROZEN).wait(FROZEN + LIMIT)


def freeze_disk_of_follower(servers: Servers) -> None:
    servers.followers()[0].disk.freeze(FROZEN).wait(FROZEN + LIMIT)


def kill_leader_with_frozen_disk(servers: Servers) -> None:
    """It dies at the thaw, in the midst of its writes."""
    leader = servers.leader()
    thaw = leader.disk.freeze(FROZEN)
    leader.process.kill()
    thaw.wait(FROZEN + LIMIT)
    leader.process.wait(LIMIT)
    leader.start()


def restart_one_after_another(servers: Servers) -> None:
    """As an upgrade does it, the leader last."""
    for server in [*servers.followers(), servers.leader()]:
        server.stop()
        server.start()
        servers.until_level()


def replace_one_after_another(servers: Servers) -> None:
    """New servers on other hosts, with empty disks, join; then the old ones leave, one after another, the leader last."""
    old = [*servers.followers(), servers.leader()]
    servers.replace(old, [servers.add() for _ in old])


FAULTS: dict[str, Fault] = {
    "none": no_fault,
    "leader killed": kill_leader,
    "follower killed": kill_follower,
    "leader suspended": suspend_leader,
    "leader isolated": isolate_leader,
    "leader deaf": deafen_leader,
    "leader mute": mute_leader,
    "one link cut": break_one_link,
    "follower isolated": isolate_follower,
    "all isolated": isolate_everyone,
    "leader's disk full": fill_disk_of_leader,
    "leader's disk frozen": freeze_disk_of_leader,
    "follower's disk frozen": freeze_disk_of_follower,
    "killed with a frozen disk": kill_leader_with_frozen_disk,
    "rolling restart": restart_one_after_another,
    "all killed": kill_all,
    "all replaced": replace_one_after_another,
}
