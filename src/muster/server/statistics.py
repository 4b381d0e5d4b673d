"""A server's part of `/v1/agent/self`, under the peers' names; all values are texts."""

from muster.raft.membership import VOTER, Member
from muster.server.context import Context
from muster.server.endpoints.status import last_contact

PROTOCOL = "3"


def statistics(context: Context) -> dict[str, dict[str, str]]:
    """How this server, its log and its state stand."""
    consensus = context.consensus
    configuration = consensus.configuration
    members = [_shown(one) for one in configuration.members]
    leads = consensus.is_leader()
    return {
        "consul": {
            "acl": "disabled",
            "bootstrap": "true" if len(configuration.members) == 1 else "false",
            "known_datacenters": str(len(context.datacenters())),
            "leader": "true" if leads else "false",
            "leader_addr": consensus.leader_address(),
            "server": "true",
        },
        "muster": {"disk": consensus.disk_fault or "ok"},
        "raft": {
            "applied_index": str(consensus.applied_index),
            "commit_index": str(consensus.commit_index),
            "fsm_pending": "0",
            "last_contact": last_contact(consensus),
            "last_log_index": str(consensus.last_index),
            "last_log_term": str(consensus.term),
            "latest_configuration": f"[{' '.join(members)}]",
            "latest_configuration_index": "0",
            "num_peers": str(max(0, len(configuration.members) - 1)),
            "protocol_version": PROTOCOL,
            "protocol_version_max": PROTOCOL,
            "protocol_version_min": "0",
            "snapshot_version_max": "1",
            "snapshot_version_min": "0",
            "state": "Leader" if leads else "Follower",
            "term": str(consensus.term),
        },
    }


def _shown(member: Member) -> str:
    suffrage = "Voter" if member.suffrage == VOTER else "Nonvoter"
    return f"{{Suffrage:{suffrage} ID:{member.identity} Address:{member.address}}}"
