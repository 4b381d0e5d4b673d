"""What must hold in a pool when nothing has been wrong for long enough: all see the same, and nothing is left to say."""

import math
from collections.abc import Iterator

from muster.gossip.effects import Member, MemberStatus
from muster.testing.simulation.gossip_member import SimulatedMember
from muster.testing.simulation.gossip_pool import SimulatedPool

SHOWN = 6  # complaints that a violation names


def complaints(pool: SimulatedPool) -> list[str]:
    """All that is not as it should be; empty if the pool has settled."""
    living = pool.living()
    found = []
    for member in living:
        found += list(_about_members(pool, member, living))
        found += list(_about_itself(member))
    return found + list(_about_the_gone(pool, living))


def complain(pool: SimulatedPool, found: list[str]) -> None:
    """Stop the run because of these."""
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    pool.simulation.violated("not settled: " + "; ".join(found[:SHOWN]) + more)


def check(pool: SimulatedPool) -> None:
    """Stop the run unless the pool has settled."""
    found = complaints(pool)
    if found:
        complain(pool, found)


def _about_members(pool: SimulatedPool, observer: SimulatedMember, living: list[SimulatedMember]) -> Iterator[str]:
    """Who lives is seen as it sees itself; who crashed is failed, unless it was said to leave, or was never heard of."""
    expected = {member.name: member for member in living}
    seen = {member.name: member for member in observer.serf.members()}
    for name, member in expected.items():
        wrong = _difference(observer, seen.get(name), member)
        if wrong:
            yield f"{observer.name} sees {name} {wrong}"
    for name, shown in seen.items():
        if name in pool.crashed and name not in pool.said_to_leave and shown.status is not MemberStatus.FAILED:
            yield f"{observer.name} sees the crashed {name} {shown.status}"


def _difference(observer: SimulatedMember, shown: Member | None, member: SimulatedMember) -> str:
    """What is wrong with what is seen of a living member, or an empty text."""
    if shown is None:
        return "not at all"
    if shown.status is not MemberStatus.ALIVE:
        return f"{shown.status}"
    if (shown.endpoint, shown.tags) != (member.serf.endpoint, member.serf.tags):
        return f"at {shown.endpoint} with {shown.tags}"
    record = observer.serf.swim.nodes.get(member.name)
    own = member.serf.swim.own
    if record is None or record.incarnation != own.incarnation or record.status != own.status:
        return "suspect or with another incarnation"
    return ""


def _about_itself(member: SimulatedMember) -> Iterator[str]:
    """Nothing is left to tell, it trusts itself, its coordinate is a place."""
    statistics = member.serf.statistics()
    queues = {name: statistics[name] for name in ("intent_queue", "event_queue", "query_queue") if statistics[name] != "0"}
    if member.serf.swim.queue_depth or queues:
        yield f"{member.name} still has {member.serf.swim.queue_depth} messages to tell, {queues}"
    if member.serf.swim.health_score and member.serf.swim.alive_count > 1:
        yield f"{member.name} has a health score of {member.serf.swim.health_score}"
    coordinate = member.serf.coordinate
    if not all(map(math.isfinite, (*coordinate.vec, coordinate.error, coordinate.adjustment, coordinate.height))):
        yield f"{member.name} is nowhere: {coordinate}"


def _about_the_gone(pool: SimulatedPool, living: list[SimulatedMember]) -> Iterator[str]:
    """Nobody takes who is gone for alive.

    Whether it failed or left may stay in dispute where both were said in bad times, as it does between the peers; not where all was well.
    """
    for name in sorted(pool.left | pool.crashed):
        seen = {member.name: pool.status(member.name, name) for member in living}
        statuses = set(seen.values()) - {None}
        wrong = statuses - {MemberStatus.LEFT} if name in pool.left_in_peace else statuses & {MemberStatus.ALIVE, MemberStatus.LEAVING}
        if wrong:
            yield f"{name}, which is gone, is seen as {', '.join(f'{status} by {by}' for by, status in seen.items() if status in wrong)}"
