"""Several members on a network: they find each other, notice the dead, and do not accuse the living."""

from swim_parts import Pool, endpoint, swim

from muster.gossip.node_table import NodeStatus
from muster.gossip.swim_effects import LeftPool, NodeDied, NodeJoined
from muster.wire.gossip import Ack, Alive, Dead, IndirectPing, Nack, Ping, PushPull, Suspect
from muster.wire.gossip_codec import decode_message

NAMES = [f"n{number}" for number in range(1, 9)]


def joined(count: int = 5) -> Pool:
    """A pool that found each other by joining the first."""
    pool = Pool(*(swim(name, seed=seed) for seed, name in enumerate(NAMES[:count])))
    for name in NAMES[1:count]:
        pool.carry_out(name, pool.members[name].join(0.0, [endpoint("n1")], 1))
    pool.run(5.0)
    return pool


def statuses(pool: Pool, name: str) -> set[NodeStatus | None]:
    """How the others see this member."""
    return {record.status if (record := member.nodes.get(name)) else None for member in pool.members.values() if member.name != name}


def test_all_find_all_by_joining_one():
    pool = joined(8)
    assert all(set(member.nodes) == set(NAMES) for member in pool.members.values())
    assert all(sorted(effect.name for effect in pool.told(name, NodeJoined)) == sorted(set(NAMES) - {name}) for name in NAMES)


def test_a_dead_member_is_noticed_by_all_and_nobody_else_is_accused():
    pool = joined()
    del pool.members["n3"]
    pool.run(40.0)
    assert statuses(pool, "n3") == {NodeStatus.DEAD}
    assert {effect for _, _, effect in pool.effects if isinstance(effect, NodeDied)} == {NodeDied("n3", False)}
    pool.run(120.0)
    assert statuses(pool, "n3") == {None}


def test_a_dead_member_comes_back_by_joining_again():
    pool = joined()
    del pool.members["n3"]
    pool.run(40.0)
    back = swim("n3", seed=99)
    pool.members["n3"] = back
    pool.carry_out("n3", back.join(pool.now, [endpoint("n1")], 1))
    pool.run(45.0)
    assert statuses(pool, "n3") == {NodeStatus.ALIVE}
    assert back.own.incarnation == 2


def test_a_member_that_loses_all_pings_but_lives_refutes_every_suspicion():
    pool = joined()
    pool.is_lost = lambda sender, receiver, message: receiver == "n3" and isinstance(message, (Ping, IndirectPing))
    pool.run(120.0)
    assert pool.members["n3"].own.incarnation > 3
    assert [effect for _, _, effect in pool.effects if isinstance(effect, NodeDied)] == []


def test_a_broken_link_between_two_accuses_neither():
    pool = joined()
    pool.is_lost = lambda sender, receiver, message: {sender, receiver} == {"n1", "n2"} and not isinstance(message, PushPull)
    pool.run(120.0)
    assert [effect for _, _, effect in pool.effects if isinstance(effect, NodeDied)] == []
    assert {member.own.incarnation for member in pool.members.values()} == {1}


def test_a_stream_alone_keeps_a_member_alive():
    pool = joined()
    packets = (Alive, Dead, Suspect, Ack, Nack, IndirectPing)
    pool.is_lost = lambda sender, receiver, message: "n3" in (sender, receiver) and isinstance(message, packets)

    def answer(sender, receiver, effect):
        ack = decode_message(pool.members[receiver].answer_by_stream(decode_message(effect.message)))
        pool.carry_out(sender, pool.members[sender].receive(pool.now, endpoint(receiver), ack))

    pool._ping_by_stream = answer
    pool.run(60.0)
    assert statuses(pool, "n3") == {NodeStatus.ALIVE}
    assert pool.members["n3"].own.incarnation == 1


def test_a_member_that_leaves_is_seen_as_left_by_all_and_not_gossiped_about_as_dead():
    pool = joined()
    pool.carry_out("n3", pool.members["n3"].leave(pool.now))
    pool.run(8.0)
    assert statuses(pool, "n3") == {NodeStatus.LEFT}
    assert pool.told("n3", LeftPool) == [LeftPool()]
    assert {effect for _, _, effect in pool.effects if isinstance(effect, NodeDied)} == {NodeDied("n3", True)}


def test_a_member_that_left_comes_back():
    pool = joined()
    pool.carry_out("n3", pool.members["n3"].leave(pool.now))
    pool.run(8.0)
    back = pool.members["n3"] = swim("n3", seed=99)
    pool.carry_out("n3", back.join(pool.now, [endpoint("n1")], 1))
    pool.run(12.0)
    assert statuses(pool, "n3") == {NodeStatus.ALIVE}
    assert back.own.incarnation == 2


def test_two_halves_that_were_cut_apart_find_each_other_again_by_exchanging_tables():
    pool = joined(6)
    left, right = {"n1", "n2", "n3"}, {"n4", "n5", "n6"}
    pool.is_lost = lambda sender, receiver, message: (sender in left) != (receiver in left)
    pool.run(20.0)
    assert statuses(pool, "n5") == {NodeStatus.ALIVE, NodeStatus.DEAD}
    pool.is_lost = lambda sender, receiver, message: False
    pool.carry_out("n1", pool.members["n1"].join(pool.now, [endpoint("n4")], 0))
    pool.run(30.0)
    assert all(statuses(pool, name) == {NodeStatus.ALIVE} for name in left | right)


def test_a_quiet_pool_says_nothing_but_pings():
    pool = joined()
    pool.run(20.0)
    said: list[type] = []
    pool.is_lost = lambda sender, receiver, message: said.append(type(message)) or False
    pool.run(28.0)
    assert set(said) == {Ping, Ack}
    assert len(said) == 2 * 5 * 8
