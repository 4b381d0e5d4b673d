"""Tables whose endpoints come later (access control, service mesh, federation), kept whole so that nothing is lost.

Records are wire values under Go's names. What is done here is what replication asks for: set, delete, indexes.

Source: reference "FSM commands", sections 1, 3 and 6.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from muster.model.errors import CommandFailed
from muster.model.opaque import OpaqueRecord
from muster.state.indexes import Indexes
from muster.state.watches import Watches
from muster.wire.commands import MessageType as T
from muster.wire.commands import OpaqueRequest

BOOTSTRAP_INDEX = "acl-token-bootstrap"
SERIAL_INDEX = "connect-ca-builtin-serial"
LEAF_INDEX = "connect-ca-leaf-certs"


class Table(Struct, frozen=True):
    """One table: its name, its index's name, the field that is the key, the type of its records in a snapshot."""

    name: str
    index: str
    key: str
    record: T


TOKENS = Table("acl-tokens", "acl-tokens", "AccessorID", T.ACL_TOKEN_SET)
POLICIES = Table("acl-policies", "acl-policies", "ID", T.ACL_POLICY_SET)
ROLES = Table("acl-roles", "acl-roles", "ID", T.ACL_ROLE_SET)
BINDING_RULES = Table("acl-binding-rules", "acl-binding-rules", "ID", T.ACL_BINDING_RULE_SET)
AUTH_METHODS = Table("acl-auth-methods", "acl-auth-methods", "Name", T.ACL_AUTH_METHOD_SET)
INTENTIONS = Table("connect-intentions", "connect-intentions", "ID", T.INTENTION)
CA_ROOTS = Table("connect-ca-roots", "connect-ca-roots", "ID", T.CONNECT_CA)
CA_PROVIDERS = Table("connect-ca-builtin", "connect-ca-builtin", "ID", T.CONNECT_CA_PROVIDER_STATE)
CA_CONFIG = Table("connect-ca-config", "connect-ca-config", "", T.CONNECT_CA_CONFIG)
FEDERATION_STATES = Table("federation-states", "federation-states", "Datacenter", T.FEDERATION_STATE)

TABLES = (TOKENS, POLICIES, ROLES, BINDING_RULES, AUTH_METHODS, INTENTIONS, CA_ROOTS, CA_PROVIDERS, CA_CONFIG, FEDERATION_STATES)

# Commands that set or delete a batch: the table and the field that holds the objects or keys.
_SETS = {
    T.ACL_TOKEN_SET: (TOKENS, "Tokens"),
    T.ACL_POLICY_SET: (POLICIES, "Policies"),
    T.ACL_ROLE_SET: (ROLES, "Roles"),
    T.ACL_BINDING_RULE_SET: (BINDING_RULES, "BindingRules"),
    T.ACL_AUTH_METHOD_SET: (AUTH_METHODS, "AuthMethods"),
}
_DELETES = {
    T.ACL_TOKEN_DELETE: (TOKENS, "TokenIDs"),
    T.ACL_POLICY_DELETE: (POLICIES, "PolicyIDs"),
    T.ACL_ROLE_DELETE: (ROLES, "RoleIDs"),
    T.ACL_BINDING_RULE_DELETE: (BINDING_RULES, "BindingRuleIDs"),
    T.ACL_AUTH_METHOD_DELETE: (AUTH_METHODS, "AuthMethodNames"),
}


class OpaqueTables:
    """The records of every such table by key."""

    def __init__(self, indexes: Indexes, watches: Watches) -> None:
        self._indexes = indexes
        self._journal = indexes.journal
        self._watches = watches
        self._tables: dict[str, dict[str, OpaqueRecord]] = {table.name: {} for table in TABLES}

    def records(self, table: Table) -> Iterator[OpaqueRecord]:
        """The records of a table, in the order of their keys."""
        return (record for _, record in sorted(self._tables[table.name].items()))

    def get(self, table: Table, key: str) -> OpaqueRecord | None:
        """One record."""
        return self._tables[table.name].get(key)

    def knows(self, number: int) -> bool:
        """Commands of the type are applied here."""
        return number in _SETS or number in _DELETES or number in _SINGLE

    def apply(self, index: int, command: OpaqueRequest) -> object:
        """Applies one command of a type that `knows` names."""
        number = T(command.type & 0x7F)
        body = command.value
        if not isinstance(body, dict):
            raise CommandFailed(f"{number.name}: expected a map")
        if number in _SETS:
            table, field = _SETS[number]
            for item in _list(body, field):
                linked = self._with_names(item, missing_allowed=bool(body.get("AllowMissingLinks")))
                self._set(index, table, linked, cas=bool(body.get("CAS")))
            return None
        if number in _DELETES:
            table, field = _DELETES[number]
            for key in _list(body, field):
                self._delete(index, table, str(key))
            return None
        return _SINGLE[number](self, index, body)

    def _with_names(self, item: Any, *, missing_allowed: bool) -> Any:
        """A token or role whose links to policies and roles carry names: the log has only their ids."""
        if not isinstance(item, dict):
            return item
        filled = dict(item)
        for field, table, kind in (("Policies", POLICIES, "policy"), ("Roles", ROLES, "role")):
            links = []
            for link in _list(item, field):
                record = self.get(table, str(link.get("ID") or "")) if isinstance(link, dict) else None
                if record is None and not missing_allowed:
                    raise CommandFailed(f"No such {kind} with ID: {link.get('ID') if isinstance(link, dict) else link}")
                links.append(link if record is None else {**link, "Name": record.value.get("Name") or ""})
            if links:
                filled[field] = links
        return filled

    def _set(self, index: int, table: Table, item: Any, *, cas: bool = False) -> bool:
        """Writes one object; with `cas` only over the version that its ModifyIndex names."""
        if not isinstance(item, dict):
            raise CommandFailed(f"{table.name}: expected a map")
        key = _key(table, item)
        old = self._tables[table.name].get(key)
        if cas and int(item.get("ModifyIndex") or 0) != (0 if old is None else old.modify_index):
            return False
        created = index if old is None else old.create_index
        value = {**item, "CreateIndex": created, "ModifyIndex": index}
        self._journal.put(self._tables[table.name], key, OpaqueRecord(key, value, created, index))
        self._changed(index, table)
        return True

    def _delete(self, index: int, table: Table, key: str) -> None:
        if key in self._tables[table.name]:
            self._journal.drop(self._tables[table.name], key)
            self._changed(index, table)
            if table is AUTH_METHODS:
                self._auth_method_gone(index, key)

    def _auth_method_gone(self, index: int, name: str) -> None:
        """What came from an auth method goes with it: its binding rules and the tokens made by logging in."""
        for table in (BINDING_RULES, TOKENS):
            for record in list(self._tables[table.name].values()):
                if record.value.get("AuthMethod") == name:
                    self._delete(index, table, record.key)

    def _changed(self, index: int, table: Table) -> None:
        self._indexes.bump(table.index, index)
        self._watches.touch(("table", table.name))

    def _bootstrap(self, index: int, body: dict[str, Any]) -> object:
        done, reset = self._indexes.get(BOOTSTRAP_INDEX), int(body.get("ResetIndex") or 0)
        if done and reset != done:
            raise CommandFailed("ACL bootstrap no longer allowed" if not reset else "Invalid ACL bootstrap reset index")
        self._set(index, TOKENS, self._with_names(body.get("Token"), missing_allowed=False))
        self._indexes.bump(BOOTSTRAP_INDEX, index)
        return None

    def _intention(self, index: int, body: dict[str, Any]) -> object:
        intention = body.get("Intention")
        if body.get("Op") == "delete":
            self._delete(index, INTENTIONS, str((intention or {}).get("ID") or ""))
        else:
            self._set(index, INTENTIONS, {**intention, "Meta": intention.get("Meta") or {}} if isinstance(intention, dict) else intention)
        return None

    def _certificate_authority(self, index: int, body: dict[str, Any]) -> object:
        match body.get("Op"):
            case "set-config":
                return self._set_config(index, body.get("Config"))
            case "set-roots":
                return self._set_roots(index, body)
            case "set-roots-config":
                return self._set_roots(index, body) and self._set_config(index, body.get("Config"))
            case "set-provider-state":
                return self._set(index, CA_PROVIDERS, body.get("ProviderState"))
            case "delete-provider-state":
                self._delete(index, CA_PROVIDERS, str((body.get("ProviderState") or {}).get("ID") or ""))
                return True
            case "increment-provider-serial":
                serial = self._indexes.get(SERIAL_INDEX) + 1
                self._indexes.bump(SERIAL_INDEX, serial)
                return serial
            case operation:
                raise CommandFailed(f"Invalid CA operation '{operation}'")

    def _set_config(self, index: int, config: Any) -> bool:
        expected = int(config.get("ModifyIndex") or 0) if isinstance(config, dict) else 0
        return self._set(index, CA_CONFIG, config, cas=expected > 0)

    def _set_roots(self, index: int, body: dict[str, Any]) -> bool:
        """The roots replace all others, if nobody wrote any since the index that the command names."""
        if int(body.get("Index") or 0) != self._indexes.get(CA_ROOTS.index):
            return False
        roots = _list(body, "Roots")
        wanted = {_key(CA_ROOTS, root) for root in roots if isinstance(root, dict)}
        for key in [key for key in self._tables[CA_ROOTS.name] if key not in wanted]:
            self._delete(index, CA_ROOTS, key)
        for root in roots:
            self._set(index, CA_ROOTS, root)
        self._changed(index, CA_ROOTS)
        return True

    def _leaf(self, index: int, _body: dict[str, Any]) -> object:
        self._indexes.bump(LEAF_INDEX, index)
        return None

    def _federation_state(self, index: int, body: dict[str, Any]) -> object:
        state = body.get("State")
        if body.get("Op") == "delete":
            self._delete(index, FEDERATION_STATES, str((state or {}).get("Datacenter") or ""))
            return None
        if isinstance(state, dict):  # 0 means that this is the datacenter that the state was first written in
            state = {**state, "PrimaryModifyIndex": state.get("PrimaryModifyIndex") or index}
        return self._set(index, FEDERATION_STATES, state)

    def replace(self, records: Iterable[tuple[Table, Any]]) -> None:
        """Takes exactly these records."""
        self._tables = {table.name: {} for table in TABLES}
        for table, value in records:
            created, modified = int(value.get("CreateIndex") or 0), int(value.get("ModifyIndex") or 0)
            key = _key(table, value)
            self._tables[table.name][key] = OpaqueRecord(key, value, created, modified)


_SINGLE = {
    T.ACL_BOOTSTRAP: OpaqueTables._bootstrap,
    T.INTENTION: OpaqueTables._intention,
    T.CONNECT_CA: OpaqueTables._certificate_authority,
    T.CONNECT_CA_LEAF: OpaqueTables._leaf,
    T.FEDERATION_STATE: OpaqueTables._federation_state,
}


def _key(table: Table, value: dict[str, Any]) -> str:
    """The key of a value in its table; tokens of the old kind have only their secret."""
    key = str(value.get(table.key) or "") if table.key else ""
    return key or (str(value.get("SecretID") or "") if table is TOKENS else "")


def _list(body: dict[str, Any], field: str) -> list[Any]:
    found = body.get(field)
    if found is None:
        return []
    if not isinstance(found, list):
        raise CommandFailed(f"{field}: expected a list")
    return found
