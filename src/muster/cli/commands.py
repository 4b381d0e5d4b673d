"""Every command by its words, with the module that holds it and what it does; modules are loaded when they are called."""

COMMANDS = {
    "agent": ("agent", "Runs a Muster agent"),
    "catalog": ("", "Interact with the catalog"),
    "catalog datacenters": ("catalog_datacenters", "Lists all known datacenters"),
    "catalog nodes": ("catalog_nodes", "Lists the nodes of a datacenter"),
    "catalog services": ("catalog_services", "Lists the services of a datacenter"),
    "dev-cluster": ("dev_cluster", "Runs a whole datacenter on this machine, to try things out"),
    "doctor": ("doctor", "Looks for what is wrong and says what to do"),
    "event": ("event", "Fires a user event"),
    "exec": ("remote_exec", "Runs a command on many hosts"),
    "force-leave": ("force_leave", "Marks a failed member as having left"),
    "info": ("info", "Shows what an operator wants to know of an agent"),
    "join": ("join", "Makes the agent join a cluster"),
    "keygen": ("keygen", "Makes a gossip encryption key"),
    "keyring": ("keyring", "Looks after the gossip encryption keys"),
    "kv": ("", "Interact with the key-value store"),
    "kv delete": ("kv_delete", "Removes keys"),
    "kv export": ("kv_export", "Writes a tree of keys as JSON"),
    "kv get": ("kv_get", "Reads or lists keys"),
    "kv import": ("kv_import", "Writes the keys of a JSON export"),
    "kv put": ("kv_put", "Writes a key"),
    "leave": ("leave", "Makes the agent leave its cluster and end"),
    "lock": ("lock", "Runs a command while holding a lock"),
    "maint": ("maint", "Switches the maintenance of a node or a service"),
    "members": ("members", "Lists the members of the cluster"),
    "migrate": ("migrate", "Takes over a Consul server's data directory"),
    "monitor": ("monitor", "Shows the agent's log as it is written"),
    "operator": ("", "Tools for those who run the servers"),
    "operator autopilot": ("", "Reads and changes the Autopilot configuration"),
    "operator autopilot get-config": ("operator_autopilot_get_config", "Shows the Autopilot configuration"),
    "operator autopilot set-config": ("operator_autopilot_set_config", "Changes the Autopilot configuration"),
    "operator raft": ("", "Looks after the servers that agree by Raft"),
    "operator raft list-peers": ("operator_raft_list_peers", "Shows the Raft configuration"),
    "operator raft remove-peer": ("operator_raft_remove_peer", "Removes a server from the Raft configuration"),
    "reload": ("reload", "Makes the agent read its configuration again"),
    "rtt": ("rtt", "Estimates the round-trip time between two nodes"),
    "services": ("", "Interact with the agent's services"),
    "services deregister": ("services_deregister", "Removes services from the agent"),
    "services forget": ("services_forget", "Removes a service for good, wherever it is registered"),
    "services register": ("services_register", "Registers services with the agent"),
    "snapshot": ("", "Saves, restores and inspects the servers' state"),
    "snapshot inspect": ("snapshot_inspect", "Shows what a snapshot file holds"),
    "snapshot restore": ("snapshot_restore", "Replaces the servers' state by a snapshot's"),
    "snapshot save": ("snapshot_save", "Saves the servers' state to a file"),
    "validate": ("validate", "Checks configuration files"),
    "version": ("version", "Shows the version"),
    "watch": ("watch", "Shows or handles changes of data"),
}

GROUPS = {
    "catalog": "Asks the servers' catalog, which holds the nodes and services of all agents.",
    "kv": "Reads and writes the key-value store.\n\n"
    "Write the value 5 under a key, read it, see all about it, and remove it:\n\n"
    "    $ muster kv put redis/config/connections 5\n"
    "    $ muster kv get redis/config/connections\n"
    "    $ muster kv get -detailed redis/config/connections\n"
    "    $ muster kv delete redis/config/connections",
    "operator": "Tools for those who run the servers. Used wrongly they can cost the quorum or data.",
    "operator autopilot": "Reads and changes how the leader looks after the set of servers.",
    "operator raft": "Shows the servers that agree by Raft and, in rare cases, removes one that is gone.",
    "services": 'Registers and removes services of the asked agent. For the whole cluster see "muster catalog".',
    "snapshot": "Saves, restores and inspects the servers' whole state: keys, catalog, sessions, prepared queries, ACLs.\n"
    "With ACLs on, a management token is needed.",
}


def subcommands(words: str) -> list[tuple[str, str]]:
    """The commands one word below `words` (empty text: the top), each with what it does."""
    prefix = f"{words} " if words else ""
    below = ((name.removeprefix(prefix), synopsis) for name, (_, synopsis) in COMMANDS.items() if name.startswith(prefix))
    return [(name, synopsis) for name, synopsis in below if " " not in name]
