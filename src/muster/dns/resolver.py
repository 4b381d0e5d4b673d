"""Questions to answers.

A resolver's methods are coroutines, but they wait only where the agent must ask a server far away or a recursor: a question
that this agent can answer itself runs through at once, without a task.

Source: answers of Consul 1.8.7.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from muster.agent.cache import AgentCache
from muster.dns import truncation
from muster.dns.asking import Call, ask, settled
from muster.dns.names import Plan, plan, reversed_address
from muster.dns.records import (
    absolute,
    address_record,
    address_type,
    instance_answer,
    meta_records,
    node_address,
    node_name,
)
from muster.dns.recursor import Recursor
from muster.dns.reverse import name_of
from muster.dns.rows import is_healthy, shuffled
from muster.dns.settings import DnsSettings
from muster.model.catalog import CONSUL_SERVICE_NAME, CheckServiceNode, Node
from muster.model.clock import Clock
from muster.model.durations import InvalidDuration, parse_duration
from muster.model.errors import MusterError, NotFound
from muster.transport.metrics import Metrics, NoMetrics
from muster.wire import dns
from muster.wire.dns import AuthorityData, Message, Question, Record
from muster.wire.replies import Reply
from muster.wire.requests import NodeRequest, PreparedQueryExecuteRequest, QuerySource, ServiceRequest

DEEPEST_FOLLOWING = 3  # how many aliases in a row are followed
MOST_NAME_SERVERS = 3
QUERY_NOT_FOUND = "Query not found"
ADDRESS_QUESTIONS = (dns.TYPE_A, dns.TYPE_AAAA, dns.TYPE_ANY)


class Resolver:
    """Answers for one agent. `call` is the agent's way to its servers; `cache`: its cache, where it may answer."""

    def __init__(
        self,
        call: Call,
        settings: DnsSettings,
        clock: Clock,
        chance: random.Random,
        recursor: Recursor,
        cache: AgentCache | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.cache = cache
        self.call, self.settings, self.clock, self.chance, self.recursor = call, settings, clock, chance, recursor
        self._metrics, self._labels = metrics or NoMetrics(), (("node", settings.node_name),)
        self._plans: dict[tuple[str, int], Plan] = {}

    async def answer(self, query: Message, packet: bytes, address: str, tcp: bool) -> bytes | None:
        """The answer's bytes; None where there is none to give (an answer is never answered)."""
        began = self.clock.monotonic()
        answer = await self._answer(query, packet, address, tcp)
        if query.questions:
            self.measure(self._plan(query.questions[0]).kind, began)
        return answer

    def measure(self, kind: str, began: float) -> None:
        """A question of that kind was answered that came at `began`; what is passed on is not ours to measure."""
        if kind != "foreign":
            name = "dns.ptr_query" if kind == "reverse" else "dns.domain_query"
            self._metrics.sample(name, (self.clock.monotonic() - began) * 1000.0, self._labels)

    async def _answer(self, query: Message, packet: bytes, address: str, tcp: bool) -> bytes | None:
        if query.flags & dns.FLAG_RESPONSE or not query.questions:
            return None
        if query.flags & dns.OPCODE_MASK:
            return self._refusal(query, dns.NOT_IMPLEMENTED)
        question = query.questions[0]
        asked = self._plan(question)
        if asked.kind == "foreign":
            return await self._forward(query, packet, tcp)
        message = self._empty_answer(query)
        if asked.kind == "reverse":
            if not await self._reverse(asked, question, message) and (question.type != dns.TYPE_SOA):
                return await self._forward(query, packet, tcp)
        elif question.type == dns.TYPE_AXFR:
            self._code(message, dns.NOT_IMPLEMENTED)
        elif question.type in (dns.TYPE_SOA, dns.TYPE_NS):
            await self._name_servers(asked, question, message)
        else:
            await self._dispatch(asked, question, message, query, address, tcp)
        return self._finish(query, message)

    async def _ask(self, method: str, request: Any) -> Reply:
        return await ask(self.call, self.cache, self.settings, method, request)

    # ---- the frame of an answer

    def _plan(self, question: Question) -> Plan:
        key = (question.name, question.type)
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= 4096:  # names come from outside: bounded
                self._plans.clear()
            found = self._plans[key] = plan(question.name, question.type, self.settings.domains)
        return found

    def _empty_answer(self, query: Message) -> Message:
        flags = dns.FLAG_RESPONSE | dns.FLAG_AUTHORITATIVE | query.flags & dns.FLAG_RECURSION_DESIRED
        if self.settings.recursors:
            flags |= dns.FLAG_RECURSION_AVAILABLE
        return Message(
            id=query.id, flags=flags, questions=query.questions[:1], answers=[], authority=[], additional=[], options=query.options
        )

    @staticmethod
    def _code(message: Message, code: int) -> None:
        message.flags = message.flags & ~0xF | code

    def _finish(self, query: Message, message: Message) -> bytes:
        return dns.encode(message, not self.settings.disable_compression)

    @staticmethod
    def _refusal(query: Message, code: int, more: int = 0) -> bytes:
        flags = dns.FLAG_RESPONSE | more | query.flags & (dns.FLAG_RECURSION_DESIRED | dns.OPCODE_MASK) | code
        return dns.encode(Message(id=query.id, flags=flags, questions=query.questions[:1], options=query.options if more else None))

    async def _forward(self, query: Message, packet: bytes, tcp: bool) -> bytes:
        if not self.settings.recursors:
            reverse = self._plan(query.questions[0]).kind == "reverse"
            if reverse:
                return self._refusal(query, dns.SERVER_FAILURE, dns.FLAG_RECURSION_AVAILABLE)
            return self._refusal(query, dns.REFUSED)
        answer = await self.recursor.forward(packet, tcp)
        return answer if answer is not None else self._refusal(query, dns.SERVER_FAILURE, dns.FLAG_RECURSION_AVAILABLE)

    def _authority(self, asked: Plan) -> Record:
        times = self.settings.authority
        data = AuthorityData(
            "ns." + self.settings.domain,
            "hostmaster." + self.settings.domain,
            int(self.clock.wall()) & 0xFFFFFFFF,
            times.refresh,
            times.retry,
            times.expire,
            times.minimum_ttl,
        )
        return Record(self.settings.domain, dns.TYPE_SOA, times.minimum_ttl, data)

    def _name_error(self, asked: Plan, message: Message) -> None:
        message.authority.append(self._authority(asked))
        self._code(message, dns.NAME_ERROR)

    # ---- the kinds of names

    async def _dispatch(self, asked: Plan, question: Question, message: Message, query: Message, address: str, tcp: bool) -> None:
        try:
            if asked.kind == "service" or asked.kind == "connect" or asked.kind == "ingress":
                await self._service(asked, question, message, query, tcp)
            elif asked.kind == "node":
                await self._node(asked, question, message)
            elif asked.kind == "query":
                await self._prepared_query(asked, question, message, query, address, tcp)
            elif asked.kind == "addr":
                self._hexadecimal(asked, question, message)
            else:
                self._name_error(asked, message)
        except NotFound:
            self._name_error(asked, message)
        except MusterError as error:
            if error.wire_text.endswith(QUERY_NOT_FOUND) or error.wire_text.endswith("No path to datacenter"):
                self._name_error(asked, message)
            else:
                self._code(message, dns.SERVER_FAILURE)

    async def _service(self, asked: Plan, question: Question, message: Message, query: Message, tcp: bool) -> None:
        settings = self.settings
        datacenter = asked.datacenter or settings.datacenter
        request = ServiceRequest(
            datacenter=datacenter,
            service_name=asked.name,
            service_tags=(asked.tag,) if asked.tag else (),
            tag_filter=bool(asked.tag),
            connect=asked.kind == "connect",
            ingress=asked.kind == "ingress",
            allow_stale=settings.allow_stale,
            use_cache=settings.use_cache,
            max_age=settings.cache_max_age,
        )
        reply = await self._ask("Health.ServiceNodes", request)
        rows = reply.encodings.get("dns")
        if rows is None:
            rows = reply.encodings["dns"] = [row for row in reply.value if is_healthy(row, settings.only_passing)]
        if not rows:
            self._name_error(asked, message)
            return
        ttl = settings.ttl_of_service(asked.name)
        await self._instances(rows, datacenter, ttl, asked, question, message, query, tcp)

    async def _instances(
        self,
        rows: Sequence[CheckServiceNode],
        datacenter: str,
        ttl: int,
        asked: Plan,
        question: Question,
        message: Message,
        query: Message,
        tcp: bool,
        shuffle: bool = True,
    ) -> None:
        ordered = shuffled(rows, self.chance) if shuffle else iter(rows)
        udp_size = 0 if tcp else max(dns.PLAIN_UDP_SIZE, query.options.udp_size if query.options else 0)
        if question.type == dns.TYPE_SRV:
            await self._service_records(ordered, datacenter, ttl, asked, question, message)
        else:
            await self._address_records(ordered, datacenter, ttl, asked, question, message, udp_size)
        if len(message.answers) > 1:
            truncation.trim(
                message, udp_size, self.settings.udp_answer_limit, self.settings.enable_truncate, not self.settings.disable_compression
            )
        if not message.answers and not message.flags & dns.FLAG_TRUNCATED:
            message.authority.append(self._authority(asked))

    async def _service_records(
        self, rows: Iterator[CheckServiceNode], datacenter: str, ttl: int, asked: Plan, question: Question, message: Message
    ) -> None:
        seen = set()
        for row in rows:
            key = (row.node.node, row.service.address, row.service.port)
            if key in seen:
                continue
            seen.add(key)
            made = instance_answer(row, question.name, question.type, ttl, datacenter, self.settings.domain, self.settings)
            message.answers += made.answers
            message.additional += made.additional
            if made.follow:
                message.additional += await self._follow(made.follow, dns.TYPE_ANY, ttl)

    async def _address_records(
        self,
        rows: Iterator[CheckServiceNode],
        datacenter: str,
        ttl: int,
        asked: Plan,
        question: Question,
        message: Message,
        udp_size: int,
    ) -> None:
        # One more than the limit is enough to know that something was cut, so a plain question of a large service is cheap.
        enough = self.settings.udp_answer_limit + 1 if udp_size == dns.PLAIN_UDP_SIZE and self.settings.udp_answer_limit < 8 else 0
        limit = self.settings.record_limit
        seen: set[Any] = set()
        alias: list[Record] = []
        for row in rows:
            made = instance_answer(row, question.name, question.type, ttl, datacenter, self.settings.domain, self.settings)
            if made.follow:
                if not alias:
                    alias = made.answers + await self._follow(made.follow, question.type, ttl)
                continue
            for record in made.answers:
                if record.data not in seen:
                    seen.add(record.data)
                    message.answers.append(record)
            if (limit and len(message.answers) >= limit) or (enough and len(message.answers) >= enough):
                break
        if not message.answers:
            message.answers += alias

    async def _node(self, asked: Plan, question: Question, message: Message) -> None:
        if question.type not in (*ADDRESS_QUESTIONS, dns.TYPE_TXT):
            return
        settings = self.settings
        datacenter = asked.datacenter or settings.datacenter
        request = NodeRequest(datacenter=datacenter, node=asked.name, allow_stale=settings.allow_stale)
        reply = await self._ask("Catalog.NodeServices", request)
        if reply.value is None:
            self._name_error(asked, message)
            return
        node: Node = reply.value.node
        if question.type != dns.TYPE_TXT:
            message.answers += await self._node_records(node, question.name, question.type, datacenter)
        if question.type in (dns.TYPE_TXT, dns.TYPE_ANY):
            message.answers += meta_records(question.name, node, settings.node_ttl)
        elif settings.node_meta_texts:
            message.additional += meta_records(question.name, node, settings.node_ttl)

    async def _node_records(self, node: Node, name: str, question_type: int, datacenter: str) -> list[Record]:
        settings = self.settings
        remote = settings.translate_wan_addresses and datacenter != settings.datacenter
        address = node_address(node, question_type, remote)
        if address_type(address) is not None:
            record = address_record(name, question_type, address, settings.node_ttl)
            return [record] if record is not None else []
        target = absolute(address)
        alias = Record(name, dns.TYPE_CNAME, settings.node_ttl, target)
        return [alias, *await self._follow(target, question_type, settings.node_ttl)]

    async def _prepared_query(self, asked: Plan, question: Question, message: Message, query: Message, address: str, tcp: bool) -> None:
        settings = self.settings
        datacenter = asked.datacenter or settings.datacenter
        subnet = query.options.subnet[2] if query.options is not None and query.options.subnet is not None else address
        request = PreparedQueryExecuteRequest(
            datacenter=datacenter,
            query_id_or_name=asked.name,
            allow_stale=settings.allow_stale,
            use_cache=settings.use_cache,
            max_age=settings.cache_max_age,
            source=QuerySource(datacenter=settings.datacenter, ip=subnet),
            agent=QuerySource(datacenter=settings.datacenter, node=settings.node_name),
        )
        reply = await self._ask("PreparedQuery.Execute", request)
        answer = reply.value
        if not answer.nodes:
            self._name_error(asked, message)
            return
        ttl = settings.ttl_of_service(answer.service)
        if answer.dns.ttl:
            try:
                ttl = parse_duration(answer.dns.ttl) // 1_000_000_000
            except InvalidDuration:
                ttl = 0
        await self._instances(answer.nodes, answer.datacenter or datacenter, ttl, asked, question, message, query, tcp, shuffle=False)

    def _hexadecimal(self, asked: Plan, question: Question, message: Message) -> None:
        """The address that a name holds in its first label."""
        size = len(asked.name) // 2
        if size not in (4, 16):
            return
        try:
            raw = bytes.fromhex(asked.name) if len(asked.name) == 2 * size else b""
        except ValueError:
            raw = b""
        if len(raw) != size:
            self._name_error(asked, message)
            return
        kind = dns.TYPE_A if size == 4 else dns.TYPE_AAAA
        record = Record(question.name, kind, self.settings.node_ttl, raw)
        message.answers.append(record)  # as on the peers, whatever was asked for

    async def _name_servers(self, asked: Plan, question: Question, message: Message) -> None:
        settings = self.settings
        request = ServiceRequest(datacenter=settings.datacenter, service_name=CONSUL_SERVICE_NAME, allow_stale=settings.allow_stale)
        servers: list[Record] = []
        glue: list[Record] = []
        try:
            reply = await settled(self.call("Health.ServiceNodes", request))
            for row in shuffled([row for row in reply.value if is_healthy(row, settings.only_passing)], self.chance):
                name = node_name(row.node, settings.datacenter, settings.domain).lower()
                servers.append(Record(settings.domain, dns.TYPE_NS, settings.node_ttl, name))
                glue += await self._node_records(row.node, name, dns.TYPE_ANY, settings.datacenter)
                if len(servers) == MOST_NAME_SERVERS:
                    break
        except MusterError:
            servers, glue = [], []  # without servers the zone still answers for itself
        if question.type == dns.TYPE_SOA:
            message.answers.append(self._authority(asked))
            message.authority += servers
        else:
            message.answers += servers
        message.additional += glue

    async def _reverse(self, asked: Plan, question: Question, message: Message) -> bool:
        """Whether a node or an instance has this address."""
        if question.type == dns.TYPE_SOA:
            message.authority.append(self._authority(asked))
        settings = self.settings
        address = reversed_address(asked.name)
        kind = address_type(address)
        if kind is None:
            return False
        wanted = Record(question.name, kind, 0, address)
        try:
            name = await name_of(self.call, self.settings, str(wanted.data))
        except MusterError:
            return False
        if not name:
            return False
        message.answers.append(Record(question.name, dns.TYPE_PTR, 0, name + settings.domain))
        return True

    # ---- aliases

    async def _follow(self, name: str, question_type: int, ttl: int, depth: int = 0) -> list[Record]:
        """What the name of an alias leads to: our own records where it is ours, else what the recursors say."""
        if depth >= DEEPEST_FOLLOWING:
            return []
        asked = plan(name, question_type, self.settings.domains)
        if asked.kind == "foreign":
            found = await self.recursor.follow(name, dns.TYPE_A if question_type in (dns.TYPE_ANY, dns.TYPE_SRV) else question_type)
            kept = (dns.TYPE_A, dns.TYPE_AAAA, dns.TYPE_CNAME)
            return [Record(record.name, record.type, ttl, record.data) for record in found if record.type in kept]
        message = Message(id=0, flags=0, questions=[])
        message.answers, message.authority, message.additional = [], [], []
        question = Question(name, question_type)
        await self._dispatch(asked, question, message, message, "", True)
        return [Record(record.name, record.type, ttl, record.data) for record in message.answers]
