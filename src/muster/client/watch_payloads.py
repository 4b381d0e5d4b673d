"""Answers of the API in the form that watch handlers get: Go's order of fields, fields of the client's records only.

Source: what `consul watch` 1.8.7 writes.
"""

from collections.abc import Callable
from typing import Any

Document = dict[str, Any]
_NODE = ("ID", "Node", "Address", "Datacenter", "TaggedAddresses", "Meta", "CreateIndex", "ModifyIndex")
_KEY = {"Key": "", "CreateIndex": 0, "ModifyIndex": 0, "LockIndex": 0, "Flags": 0, "Value": None, "Session": ""}
_EVENT = ("ID", "Name", "Payload", "NodeFilter", "ServiceFilter", "TagFilter", "Version", "LTime")
_CHECK = ("Node", "CheckID", "Name", "Status", "Notes", "Output", "ServiceID", "ServiceName", "ServiceTags", "Type")
_DEFINITION: Document = {
    "Interval": "0s",
    "Timeout": "0s",
    "DeregisterCriticalServiceAfter": "0s",
    "HTTP": "",
    "Header": None,
    "Method": "",
    "Body": "",
    "TLSSkipVerify": False,
    "TCP": "",
}
_SERVICE = ("ID", "Service", "Tags", "Meta", "Port", "Address")
_SERVICE_IF_SET = ("CreateIndex", "ModifyIndex", "ContentHash", "Proxy", "Connect")


def _picked(names: tuple[str, ...], document: Document) -> Document:
    return {name: document.get(name) for name in names}


def _key(document: Document) -> Document:
    return {name: document.get(name, absent) for name, absent in _KEY.items()}


def _check(document: Document) -> Document:
    given = document.get("Definition") or {}
    definition = {name: given.get(name, absent) for name, absent in _DEFINITION.items()}
    indexes = {name: document.get(name, 0) for name in ("CreateIndex", "ModifyIndex")}
    return {**_picked(_CHECK, document), "Definition": definition, **indexes}


def _service(document: Document) -> Document:
    kind = {"Kind": document["Kind"]} if document.get("Kind") else {}
    tagged = {"TaggedAddresses": document["TaggedAddresses"]} if document.get("TaggedAddresses") else {}
    rest = {name: document[name] for name in _SERVICE_IF_SET if document.get(name) not in (None, 0, "")}
    fixed = {"Weights": document.get("Weights"), "EnableTagOverride": document.get("EnableTagOverride", False)}
    return {**kind, **_picked(_SERVICE, document), **tagged, **fixed, **rest}


def _entry(document: Document) -> Document:
    node = _picked(_NODE, document["Node"])
    return {"Node": node, "Service": _service(document["Service"]), "Checks": [_check(check) for check in document["Checks"] or []]}


def _one_key(document: Any) -> Any:
    return _key(document[0]) if document else None


def _keys(document: Any) -> Any:
    return [_key(entry) for entry in document] if document else None


def _services(document: Any) -> Any:
    return {name: document[name] for name in sorted(document or {})}


def _nodes(document: Any) -> Any:
    return [_picked(_NODE, node) for node in document or []]


def _entries(document: Any) -> Any:
    return [_entry(entry) for entry in document or []]


def _checks(document: Any) -> Any:
    return [_check(check) for check in document or []]


def _events(document: Any) -> Any:
    return [_picked(_EVENT, event) for event in document or []]


READERS: dict[str, Callable[[Any], Any]] = {
    "key": _one_key,
    "keyprefix": _keys,
    "services": _services,
    "nodes": _nodes,
    "service": _entries,
    "checks": _checks,
    "event": _events,
}
"""For each type of watch: from the answer's JSON (None for 404) to the payload."""
