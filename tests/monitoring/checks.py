"""Checks of rules and metrics with promtool: ``make test-metrics``."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from testing.metric_names import TRITON, our_names
from testing.metrics import samples
from testing.monitoring import PROMETHEUS
from testing.server import REQUEST_SECONDS, RunningServer

CHECKS = (
    ("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"),
    ("test", "rules", "rules_test.yaml"),
    ("check", "config", "--lint=all", "--lint-fatal", "prometheus.yaml"),
)


LINT_STATUS = 3
"""Exit status of promtool if it has only advice."""

TRITON_LINT = re.compile(
    r"nv_\w+ (counter metrics should have \"_total\" suffix"
    r"|metric names should not contain abbreviated units"
    r"|non-histogram and non-summary metrics should not have \"_count\" suffix)"
)
"""Advice of promtool on Triton's names, which are NVIDIA's."""


def promtool(*arguments: str, text: str = "") -> tuple[int, str]:
    """Run promtool, and return its exit status and its output."""
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, input=text, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def metrics(tiny_repository: Path) -> dict[str, str]:
    """The metrics of the gateway, of Triton and of the supervisor, after some requests."""
    with RunningServer(tiny_repository) as server:
        server.vectors("tiny", ["a", "b"])
        server.post(model="tiny", input=[])
        ports = {
            "gateway": server.port,
            "Triton": server.metrics_port,
            "supervisor": server.status_port,
        }
        return {
            name: httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=REQUEST_SECONDS).text
            for name, port in ports.items()
        }


@pytest.mark.parametrize("arguments", CHECKS, ids=lambda arguments: " ".join(arguments[:2]))
def test_promtool_accepts_the_files(arguments: tuple[str, ...]) -> None:
    status, output = promtool(*arguments)
    assert status == 0, output


@pytest.mark.parametrize("service", ["gateway", "supervisor"])
def test_promtool_accepts_our_metrics(metrics: dict[str, str], service: str) -> None:
    assert samples(metrics[service])
    assert promtool("check", "metrics", text=metrics[service]) == (0, "")


def test_promtool_criticizes_only_the_names_of_triton(metrics: dict[str, str]) -> None:
    status, output = promtool("check", "metrics", text=metrics["Triton"])
    assert status in (0, LINT_STATUS)
    assert [line for line in output.splitlines() if not TRITON_LINT.fullmatch(line)] == []


def test_services_report_the_names_that_rules_may_use(metrics: dict[str, str]) -> None:
    reported = {name.partition("{")[0] for text in metrics.values() for name in samples(text)}
    assert reported >= TRITON
    assert our_names() <= reported
