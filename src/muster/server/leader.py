"""What a server does while it leads.

Once elected it waits until all that was committed before is applied, writes Autopilot's settings and the configured entries
where they are missing, starts the sessions' timers and the collection of tombstones, and compares catalog and Raft with the
pool. Then, again and again: coordinates are committed in batches, Autopilot looks after the servers, the pool is compared.

Source: reference of the Raft wire, sections 6 and 7.
"""

import asyncio
import logging
from collections.abc import Callable

from muster.gossip.effects import Member
from muster.model.errors import MusterError, NoLeader
from muster.model.sessions import Session
from muster.server.autopilot import Autopilot
from muster.server.context import Context
from muster.server.member_reconcile import MemberReconciler
from muster.server.periodic import Periodic
from muster.server.tombstone_collector import TombstoneCollector
from muster.state.store import Applied
from muster.wire.commands import AutopilotRequest, Command, ConfigEntryRequest, SessionRequest, TombstoneRequest
from muster.wire.replies import Reply

NEW_LEADER_EVENT = "consul:new-leader"
RETRY_SECONDS = 5.0  # until the duties are tried again that a failing command cut short

logger = logging.getLogger("muster.leader")


class LeaderDuties:
    """Begins with `start`, ends with `stop`; both may come any number of times. `ready`: reads and writes may be served."""

    def __init__(
        self,
        context: Context,
        loop: asyncio.AbstractEventLoop,
        became_ready: Callable[[], None],
        force_leave: Callable[[str], None] | None = None,
    ) -> None:
        settings = context.settings
        self._context = context
        self._loop = loop
        self._became_ready = became_ready
        self._task: asyncio.Task[None] | None = None
        self._tombstones_at = 0
        self.ready = self._established = False
        self._collector = TombstoneCollector(
            loop, context.clock, settings.tombstone_ttl, settings.tombstone_granularity, self._reap_tombstones
        )
        self._autopilot = Autopilot(context, loop, force_leave)
        self._reconciler = MemberReconciler(context, loop, self._autopilot.prune_soon)
        self._periodic = [
            Periodic(loop, settings.coordinate_update_period, self._commit_coordinates),
            Periodic(loop, settings.reconcile_interval, self._reconcile_again),
        ]

    def start(self) -> None:
        """This server leads now."""
        self.stop()
        self._task = self._loop.create_task(self._lead())

    def stop(self) -> None:
        """This server leads no longer."""
        self.ready = self._established = False
        if self._task is not None:
            self._task.cancel()
            self._task = None
        for periodic in self._periodic:
            periodic.stop()
        self._autopilot.stop()
        self._reconciler.stop()
        self._collector.stop()
        self._context.session_timers.stop()

    def pause(self) -> None:
        """Calls are to wait: leadership is being handed over."""
        self.ready = False

    def resume(self) -> None:
        """This server leads on after all."""
        if self._established and not self.ready:
            self.ready = True
            self._became_ready()

    def member_changed(self, member: Member, reaped: bool) -> None:
        """The pool tells of a member; `reaped`: it is forgotten there."""
        self._reconciler.changed(member, reaped)

    def applied(self, index: int, command: Command, applied: Applied) -> None:
        """Keeps timers in step with what is applied."""
        tombstones_at = self._context.store.indexes.get("tombstones")
        if tombstones_at != self._tombstones_at:
            self._tombstones_at = tombstones_at
            self._collector.made(tombstones_at)
        if type(command) is SessionRequest and self._context.session_timers.active:
            self._session_changed(command, applied)

    def restored(self) -> None:
        """A snapshot replaced the state: a leader begins anew."""
        self._tombstones_at = self._context.store.indexes.get("tombstones")
        if self._task is not None:
            self._loop.call_soon(self._begin_anew)

    def _begin_anew(self) -> None:
        if self._task is not None and self._context.consensus.is_leader():
            self.start()

    def end_session(self, session_id: str) -> "asyncio.Future[object]":
        """A session's time is over: it is destroyed, unless it is gone already."""
        if not self._context.store.sessions.exists(session_id):
            gone: asyncio.Future[object] = self._loop.create_future()
            gone.set_result(None)
            return gone
        logger.debug("Session TTL expired: session=%s", session_id)
        command = SessionRequest(datacenter=self._context.settings.datacenter, op="destroy", session=Session(id=session_id))
        return self._context.commit(command)  # type: ignore[return-value]  # only its end matters

    def _session_changed(self, command: SessionRequest, applied: Applied) -> None:
        if command.op == "create" and not isinstance(applied.result, MusterError):
            self._context.session_timers.renew(command.session)
        elif command.op == "destroy":
            self._context.session_timers.forget(command.session.id)

    # ---- the beginning

    async def _lead(self) -> None:
        while True:
            try:
                await self._establish()
                return
            except NoLeader:
                return
            except MusterError as error:
                logger.error("failed to establish leadership: error=%s", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _establish(self) -> None:
        context = self._context
        await self._barrier()
        context.session_timers.start(context.store.sessions.list()[1])
        self._collector.start(context.store.indexes.get("tombstones"))
        self.ready = self._established = True
        self._became_ready()
        for listener in context.on_user_event:
            listener(NEW_LEADER_EVENT, context.settings.node_name.encode("utf-8", "surrogateescape"))
        await self._write_settings()
        self._autopilot.start()
        await self._reconcile()
        for periodic in self._periodic:
            periodic.start()

    async def _write_settings(self) -> None:
        context = self._context
        settings, store = context.settings, context.store
        if store.autopilot.get()[1] is None:
            await context.commit(AutopilotRequest(config=settings.autopilot, datacenter=settings.datacenter))
        for entry in settings.bootstrap_config_entries:
            if store.config_entries.get(entry.kind, entry.name)[1] is None:
                # Expecting index 0 the command does nothing should somebody have written it in the meantime.
                await context.commit(ConfigEntryRequest(entry=entry, op="upsert-cas", datacenter=settings.datacenter))

    # ---- again and again

    def _reconcile_again(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._reconcile_logged())

    async def _reconcile_logged(self) -> None:
        try:
            await self._barrier()
            await self._reconcile()
        except MusterError as error:
            logger.error("failed to reconcile: error=%s", error)

    async def _barrier(self) -> None:
        """All that was committed before is applied."""
        began = self._context.clock.monotonic()
        await self._context.consensus.barrier()
        self._context.metrics.increment("raft.barrier")
        self._context.metrics.sample("leader.barrier", (self._context.clock.monotonic() - began) * 1000.0)

    async def _reconcile(self) -> None:
        """Catalog and Raft are as the pool says."""
        began = self._context.clock.monotonic()
        await self._reconciler.all()
        self._context.metrics.sample("leader.reconcile", (self._context.clock.monotonic() - began) * 1000.0)

    def _commit_coordinates(self) -> None:
        for batch in self._context.coordinates.take():
            self._report("coordinate update", self._context.commit(batch))

    def _reap_tombstones(self, index: int) -> None:
        command = TombstoneRequest(datacenter=self._context.settings.datacenter, reap_index=index)
        self._report("tombstone reap", self._context.commit(command))

    def _report(self, what: str, committed: "asyncio.Future[Reply]") -> None:
        def done(future: "asyncio.Future[Reply]") -> None:
            if not future.cancelled() and (error := future.exception()) is not None:
                logger.error("%s failed: error=%s", what, error)

        committed.add_done_callback(done)
