"""AIPerf: the requests that are passed to it, and the figures in its report."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.aiperf import Profile, write_dataset


def test_dataset_has_whole_requests_only(tmp_path: Path) -> None:
    write_dataset(tmp_path / "texts.jsonl", ["a", "b", "c", "d", "e"], 2)
    lines = (tmp_path / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["texts"] for line in lines] == [["a", "b"], ["c", "d"]]


def test_profile_counts_failed_requests(tmp_path: Path) -> None:
    export = {
        "request_throughput": {"unit": "requests/sec", "avg": 12.5},
        "request_latency": {"unit": "ms", "avg": 9.0, "p50": 8.0, "p95": 20.0},
        "error_request_count": {"unit": "requests", "avg": 3.0},
    }
    path = tmp_path / "profile_export_aiperf.json"
    path.write_text(json.dumps(export), encoding="utf-8")
    assert Profile.from_file(path) == Profile(12.5, 8.0, 20.0, 3)
