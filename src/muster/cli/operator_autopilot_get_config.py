"""`muster operator autopilot get-config`"""

from muster.cli.command import Command, Invocation


def run(invocation: Invocation) -> int:
    from muster.client.errors import ClientError

    client = invocation.client()
    try:
        found = client.operator.autopilot_configuration()
    except ClientError as error:
        return invocation.refuse(f"Error querying Autopilot configuration: {error}")
    invocation.out(f"CleanupDeadServers = {_truth(found.cleanup_dead_servers)}")
    invocation.out(f"LastContactThreshold = {found.last_contact_threshold}")
    invocation.out(f"MaxTrailingLogs = {found.max_trailing_logs}")
    invocation.out(f"MinQuorum = {found.min_quorum}")
    invocation.out(f"ServerStabilizationTime = {found.server_stabilization_time}")
    invocation.out(f'RedundancyZoneTag = "{found.redundancy_zone_tag}"')
    invocation.out(f"DisableUpgradeMigration = {_truth(found.disable_upgrade_migration)}")
    invocation.out(f'UpgradeVersionTag = "{found.upgrade_version_tag}"')
    return 0


def _truth(value: bool) -> str:
    return "true" if value else "false"


COMMAND = Command(
    usage="operator autopilot get-config [options]",
    description="Shows how the leader looks after the set of servers.",
    run=run,
    asks_servers=True,
    unconnected="Error initializing client: ",
)
