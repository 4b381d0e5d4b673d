"""What the agent's tests share."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from agent_fakes import ManualClock, ToyCatalog

from muster.agent.differences import Identity
from muster.agent.services import LocalState


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def catalog() -> ToyCatalog:
    return ToyCatalog()


@pytest.fixture
def local(clock: ManualClock) -> LocalState:
    return LocalState("n1", clock, random.Random(1))


@pytest.fixture
def identity() -> Identity:
    return Identity("dc1", "11111111-2222-3333-4444-555555555555", "n1", "10.0.0.1", {"lan": "10.0.0.1"}, {"rack": "a"}, is_server=True)
