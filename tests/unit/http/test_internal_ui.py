"""What the web page's list of services counts."""

from muster.http.internal_ui import summaries
from muster.http.views import session
from muster.model.catalog import CheckServiceNode, HealthCheck, Node, NodeService
from muster.model.sessions import Session


def instance(node: str, name: str, *statuses: str, tags: list[str] | None = None) -> CheckServiceNode:
    checks = [HealthCheck(node=node, check_id=f"c{number}", status=status) for number, status in enumerate(statuses)]
    return CheckServiceNode(node=Node(node=node), service=NodeService(id=name, service=name, tags=tags), checks=checks)


def test_a_check_of_a_node_counts_for_each_instance_there():
    rows = [instance("n1", "web", "critical", "passing", tags=["b"]), instance("n1", "web", "critical", "warning", tags=["a"])]
    (found,) = summaries(rows)
    assert (found["Nodes"], found["InstanceCount"], found["Tags"]) == (["n1", "n1"], 2, ["a", "b"])
    assert (found["ChecksPassing"], found["ChecksWarning"], found["ChecksCritical"]) == (1, 1, 2)


def test_a_check_in_a_state_of_its_own_counts_nowhere():
    (found,) = summaries([instance("n1", "web", "odd")])
    assert (found["ChecksPassing"], found["ChecksWarning"], found["ChecksCritical"]) == (0, 0, 0)


def test_the_older_list_of_a_sessions_checks_is_shown_unless_it_is_empty():
    assert "Checks" not in session(Session(id="s", checks=[]))
    assert session(Session(id="s", checks=["a"]))["Checks"] == ["a"]
