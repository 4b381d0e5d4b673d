"""Asks one member after another whether it is there, by detours if need be, and helps others to ask.

Source: SWIM (DSN 2002), sections 3.1 and 4.3; Dadgar et al., "Lifeguard" (2018), section IV.
"""

from random import Random

from muster.gossip.awareness import Awareness
from muster.gossip.effects import PingByStream, Send
from muster.gossip.endpoints import endpoint_of
from muster.gossip.gossiper import Gossiper
from muster.gossip.membership import Membership
from muster.gossip.node_table import NodeRecord, NodeStatus
from muster.gossip.probing import SEQUENCES, Probe, Relay, Relays
from muster.gossip.ring import ProbeRing
from muster.gossip.settings import PoolSettings
from muster.gossip.swim_effects import ProbeSucceeded, SwimEffect
from muster.wire.gossip import Ack, Endpoint, IndirectPing, Nack, Ping, Suspect
from muster.wire.gossip_codec import encode_message

NACK_PROTOCOL = 4  # the protocol that brought nacks
DRAWS = 4096
"""The most places of the ring that one tick passes over, some milliseconds."""
STREAM_PING_PROTOCOL = 3  # the protocol that brought pings by stream


class Prober:
    """One probe at a time, in regular intervals; the next waits until the last has ended."""

    __slots__ = (
        "_awareness",
        "_chance",
        "_gossiper",
        "_membership",
        "_next_probe",
        "_probe",
        "_relays",
        "_ring",
        "_sequence",
        "_settings",
    )

    def __init__(
        self,
        now: float,
        membership: Membership,
        gossiper: Gossiper,
        awareness: Awareness,
        settings: PoolSettings,
        chance: Random,
    ) -> None:
        self._membership = membership
        self._gossiper = gossiper
        self._awareness = awareness
        self._settings = settings
        self._chance = chance
        self._ring = ProbeRing(chance)
        self._relays = Relays()
        self._probe: Probe | None = None
        self._next_probe = now + chance.random() * settings.probe_interval
        # Not from 0: after a restart the acks to what ran before must not count.
        self._sequence = chance.getrandbits(32)

    def next_deadline(self) -> float:
        """When a probe begins or goes on, or a ping for somebody else is given up."""
        probe = self._next_probe if self._probe is None else self._probe.deadline
        return min(probe, self._relays.next_deadline())

    def tick(self, now: float, effects: list[SwimEffect]) -> None:
        """What is due by `now`."""
        for relay in self._relays.given_up(now):
            if relay.nack:
                effects.append(self._gossiper.packet(relay.asked_by, relay.name, Nack(sequence=relay.sequence)))
        probe = self._probe
        if probe is not None and now >= probe.deadline:
            if probe.is_direct:
                self._go_around(now, probe, effects)
            if now >= probe.deadline:
                self._fail(now, probe, effects)
        if self._probe is None and now >= self._next_probe:
            self._start(now, effects)

    def overslept(self, by: float) -> None:
        """Nobody could be heard for so long: what we slept through is not the target's silence."""
        if self._probe is not None:
            self._probe.overslept(by)

    def ack(self, now: float, ack: Ack, effects: list[SwimEffect]) -> None:
        """An ack for our probe by any way ends it well, one for a relay goes to who asked; any other comes too late."""
        probe = self._probe
        if probe is not None and probe.sequence == ack.sequence:
            self._succeed(now, probe, ack, effects)
            return
        relay = self._relays.take(ack.sequence)
        if relay is not None:
            effects.append(self._gossiper.packet(relay.asked_by, relay.name, Ack(sequence=relay.sequence)))

    def nack(self, nack: Nack) -> None:
        """A helper lives that did not hear the target either."""
        if self._probe is not None and self._probe.sequence == nack.sequence:
            self._probe.nacks += 1

    def help(self, now: float, sender: Endpoint, asked: IndirectPing, effects: list[SwimEffect]) -> None:
        """Ping somebody for somebody else, under a sequence number of our own."""
        target = endpoint_of(asked.target, asked.port)
        if target is None or self._relays.is_full:
            return
        asked_by = endpoint_of(asked.source_address, asked.source_port) or sender
        sequence = self._next_sequence()
        self._relays.add(sequence, Relay(now + self._settings.probe_timeout, asked_by, asked.source_node, asked.sequence, asked.nack))
        effects.append(self._gossiper.packet(target, asked.node, self._ping(sequence, asked.node)))

    def _start(self, now: float, effects: list[SwimEffect]) -> None:
        self._next_probe += self._settings.probe_interval
        if self._next_probe <= now:
            self._next_probe = now + self._settings.probe_interval
        target = self._next_target(now)
        if target is not None:
            self._probe = Probe(now, self._next_sequence(), target, self._settings.probe_timeout)
            effects.append(self._first_packet(self._probe, target))

    def _first_packet(self, probe: Probe, target: NodeRecord) -> Send:
        """A ping; a suspect hears of the suspicion in the same packet, so that it can refute at once."""
        ping = self._ping(probe.sequence, target.name)
        if target.status is not NodeStatus.SUSPECT or not self._settings.buddy_system:
            return self._gossiper.packet(target.endpoint, target.name, ping)
        messages = encode_message(ping), encode_message(self._accusation(target))
        return Send(target.endpoint, messages, target.name, target.reads_checksums)

    def _next_target(self, now: float) -> NodeRecord | None:
        """The next of the ring that is not ourselves and not gone; None if none is left, or all were gone for a long stretch."""
        nodes = self._membership.nodes
        for _ in range(min(nodes.places + 1, DRAWS)):
            place = self._ring.draw(nodes.places)
            if place is None:
                self._membership.forget_the_long_dead(now)
                self._ring.restart()
                continue
            record = nodes.at(place)
            if record is not None and record.is_up and record.name != self._membership.own.name:
                return record
        return None

    def _go_around(self, now: float, probe: Probe, effects: list[SwimEffect]) -> None:
        """Ask others to ping it, and ping it by stream; this may take the rest of the probe's time, longer if we trust ourselves less."""
        target, settings = probe.target, self._settings
        helpers = self._membership.nodes.random_nodes(settings.indirect_checks, self._chance, lambda record: self._may_help(record, target))
        effects.extend(self._gossiper.packet(one.endpoint, one.name, self._indirect_ping(probe, one)) for one in helpers)
        nacks = sum(helper.protocol_maximum >= NACK_PROTOCOL for helper in helpers)
        probe.go_around(probe.deadline + self._awareness.scaled(settings.probe_interval) - settings.probe_timeout, nacks)
        if target.protocol_maximum >= STREAM_PING_PROTOCOL:
            ping = encode_message(self._ping(probe.sequence, target.name))
            effects.append(PingByStream(target.endpoint, ping, target.name, probe.deadline))

    def _may_help(self, record: NodeRecord, target: NodeRecord) -> bool:
        return record.status is NodeStatus.ALIVE and record.name not in (self._membership.own.name, target.name)

    def _succeed(self, now: float, probe: Probe, ack: Ack, effects: list[SwimEffect]) -> None:
        self._probe = None
        self._awareness.improve()
        if probe.measures:
            effects.append(ProbeSucceeded(probe.target.name, now - probe.sent, ack.payload))

    def _fail(self, now: float, probe: Probe, effects: list[SwimEffect]) -> None:
        self._probe = None
        self._awareness.worsen(probe.own_fault())
        self._membership.hear(now, self._accusation(probe.target), effects)

    def _accusation(self, target: NodeRecord) -> Suspect:
        return Suspect(incarnation=target.incarnation, node=target.name, accuser=self._membership.own.name)

    def _ping(self, sequence: int, node: str) -> Ping:
        own = self._membership.own
        address, port = own.endpoint
        return Ping(sequence=sequence, node=node, source_address=address, source_port=port, source_node=own.name)

    def _indirect_ping(self, probe: Probe, helper: NodeRecord) -> IndirectPing:
        own = self._membership.own
        (address, port), (target, target_port) = own.endpoint, probe.target.endpoint
        return IndirectPing(
            sequence=probe.sequence,
            target=target,
            port=target_port,
            node=probe.target.name,
            nack=helper.protocol_maximum >= NACK_PROTOCOL,
            source_address=address,
            source_port=port,
            source_node=own.name,
        )

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) % SEQUENCES
        return self._sequence
