"""The policies of checkov, whose environment `make test-chart` makes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from testing.chart import CHART, render
from testing.paths import ROOT

CHECKOV = Path(f"{sys.prefix}-checkov", "bin", "checkov")
VALUE_FILES = [None, *sorted(CHART.glob("values-*.yaml"))]


@pytest.mark.parametrize("path", VALUE_FILES, ids=lambda path: path and path.stem)
def test_chart_meets_the_policies(path: Path | None, tmp_path: Path) -> None:
    if not CHECKOV.is_file():
        pytest.skip("needs checkov: make test-chart")
    # A test that ends by itself needs no probes.
    manifests = [
        each for each in render(files=[path] if path else []).objects if each["kind"] != "Pod"
    ]
    (tmp_path / "manifests.yaml").write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
    options = ["--config-file", str(ROOT / "deploy" / "helm" / "checkov.yaml"), "--output", "json"]
    command = [str(CHECKOV), "--directory", str(tmp_path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    failed = [(each["check_id"], each["resource"]) for each in report["results"]["failed_checks"]]
    assert failed == []
    assert report["summary"]["passed"] > 100
