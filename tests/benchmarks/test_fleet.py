from __future__ import annotations

import re

from benchmarks.checked_load import CheckedLoad
from benchmarks.fleet import SHARES, lost, violations


def test_requests_of_each_service_are_found_in_its_metrics() -> None:
    lines = {
        "triton": 'nv_inference_count{model="a_b_encoder",version="1"} 7',
        "gateway": 'triton_embed_http_requests_total{method="POST",route="/v1/embeddings",'
        'status="200"} 7.0',
    }
    for service, (_, pattern) in SHARES.items():
        assert float(*re.findall(pattern, lines[service], re.MULTILINE)) == 7


def test_rejected_and_wrong_responses_are_lost() -> None:
    load = CheckedLoad("http://127.0.0.1:1", (), 1.0)
    assert lost(load) == 0
    load.outcomes += ["200", "200", "503", "disconnected"]
    load.served = 1
    load.rejections["overloaded"] = 1
    load.violations += ["no response after 1 s", "a vector differs from the reference by 0.1"]
    assert lost(load) == 3
    found = [*violations(load, {"triton": [0.5, 0.5], "gateway": [0.95, 0.05]})]
    assert found[:2] == load.violations
    assert found[2:] == ["1 requests: overloaded", "shares of gateway: [0.95, 0.05]"]
