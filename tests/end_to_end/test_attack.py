"""Hostile requests get the documented responses, and the requests after them their vectors."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.attacks import Attack, attacks
from testing.minilm import MINILM
from testing.server import RunningServer


@pytest.mark.parametrize("attack", attacks(requests=4, bodies=2), ids=lambda attack: attack.name)
def test_hostile_requests_are_rejected_or_served(service: RunningServer, attack: Attack) -> None:
    before = service.vectors(MINILM, ["a text"])
    statuses = attack.send(service.url)
    assert statuses.keys() <= attack.expected, statuses
    assert np.abs(service.vectors(MINILM, ["a text"]) - before).max() < 1e-4
