"""ConfigEntry: settings of the mesh, kept and replicated."""

import asyncio

import msgspec

from muster.model.operator import ConfigEntry
from muster.server.config_entry_rules import require_kind, validated
from muster.server.context import Context
from muster.server.methods import Methods, Read, Write
from muster.state.watches import WatchSet
from muster.wire.commands import ConfigEntryRequest
from muster.wire.replies import Reply
from muster.wire.requests import ConfigEntryQuery


def apply(context: Context, request: ConfigEntryRequest) -> "Reply | asyncio.Future[Reply]":
    """Writes an entry; the reply is whether it was written."""
    if request.op == "upsert-cas" and not request.entry.name and request.entry.modify_index:
        return Reply(value=False)  # nothing has no name, so no index of it can be the expected one; that is looked at first
    return context.commit(msgspec.structs.replace(request, entry=validated(request.entry)))


def delete(context: Context, request: ConfigEntryRequest) -> "asyncio.Future[Reply]":
    """Removes an entry; also if there is none."""
    require_kind(request.entry.kind)
    return context.commit(msgspec.structs.replace(request, op="delete"))


def get(context: Context, request: ConfigEntryQuery, watch: WatchSet | None) -> tuple[int, ConfigEntry | None]:
    """One entry."""
    require_kind(request.kind)
    return context.store.config_entries.get(request.kind, request.name, watch)


def list_entries(context: Context, request: ConfigEntryQuery, watch: WatchSet | None) -> tuple[int, list[ConfigEntry]]:
    """All entries of a kind, or of every kind."""
    if request.kind:
        require_kind(request.kind)
    return context.store.config_entries.list(request.kind, watch)


METHODS: Methods = {
    "ConfigEntry.Apply": Write(apply),
    "ConfigEntry.Delete": Write(delete),
    "ConfigEntry.Get": Read(get),
    "ConfigEntry.List": Read(list_entries),
    "ConfigEntry.ListAll": Read(list_entries),
}
