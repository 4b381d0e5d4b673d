"""A pytest plugin that gives a real agent, or a cluster of them, as a fixture. Installed with Muster; `-p no:muster` leaves it out.

Every pytest run where Muster is installed loads this file, so nothing but pytest itself is imported before a fixture is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from muster.testing.cluster import Cluster
    from muster.testing.server import Server


@pytest.fixture
def muster_server() -> Iterator["Server"]:
    """A fresh agent with empty state for this test alone."""
    from muster.testing.server import Server

    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def muster_session_server() -> Iterator["Server"]:
    """One agent for all tests of the run; what a test writes, later tests see."""
    from muster.testing.server import Server

    with Server() as server:
        yield server


@pytest.fixture
def muster_cluster() -> Iterator["Cluster"]:
    """Three fresh servers, in processes of their own, for this test alone."""
    from muster.testing.cluster import Cluster

    with Cluster() as cluster:
        yield cluster
