from __future__ import annotations

from collections import Counter

import httpx
import numpy as np
import pytest

from benchmarks import checked_load, kills
from benchmarks.checked_load import CheckedLoad, CheckedRequest
from benchmarks.killing import STEPS, TRITON, Kill

REQUEST = CheckedRequest({"model": "m", "input": ["a"]}, np.array([[1.0, 2.0]], np.float32))


def vectors(*values: float) -> dict[str, object]:
    return {"data": [{"embedding": list(values)}]}


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (httpx.Response(200, json=vectors(1.0, 2.00001)), ""),
        (httpx.Response(503, headers={"retry-after": "1"}), ""),
        (httpx.Response(503), "a 503 without Retry-After"),
        (httpx.Response(500, text="defect"), "status 500: defect"),
        (httpx.Response(200, json=vectors(1.0, 2.1)), "a vector differs from the reference by 0.1"),
        (httpx.Response(200, json=vectors(1.0)), "vectors of shape (1, 1) instead of (1, 2)"),
    ],
)
def test_fault_of_a_response_is_found(response: httpx.Response, fault: str) -> None:
    assert checked_load._fault(response, REQUEST) == fault


def test_victims_are_equally_many_of_each_kind() -> None:
    assert Counter(kills.victims(True, 60, seed=1)) == dict.fromkeys(STEPS, 20)
    assert set(Counter(kills.victims(False, 63, seed=1)).values()) == {9}


async def test_late_readiness_wrong_responses_and_remains_are_violations() -> None:
    load = CheckedLoad("http://127.0.0.1:9", [REQUEST], rate=1)
    load.violations.append("status 500: defect")
    done = [Kill("encoder", 0.1, 1.0), Kill("encoder", None, 1.0), Kill(TRITON, 1.5, 5.0)]
    found = kills.violations(load, done, ["process 7 is left"])
    assert found[:2] == ["status 500: defect", "process 7 is left"]
    assert len(found) == 3 and found[2].startswith("kill 2, encoder")
    await load.client.aclose()
