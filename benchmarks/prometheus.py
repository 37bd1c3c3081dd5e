"""A Prometheus on loopback that scrapes a running service with the rules of deploy/prometheus."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks import programs
from testing.monitoring import PROMETHEUS
from testing.ports import free_ports

SCRAPE_INTERVAL = "1s"
"""Shorter than in production, so that a minute has enough samples for a chart."""


@dataclass(frozen=True)
class Series:
    """One series of the result of a query.

    Attributes:
        labels: Its labels.
        points: Time in seconds since the epoch, and value.
    """

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class Prometheus:
    """The API of a running Prometheus.

    Args:
        url: Its base URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expression: str) -> list[Series]:
        """Return the value of each series now.

        Raises:
            httpx.HTTPStatusError: The expression is invalid.
        """
        result = self._get("query", query=expression)
        return [Series(item["metric"], _points([item["value"]])) for item in result]

    def query_range(self, expression: str, start: float, end: float) -> list[Series]:
        """Return the values of each series at each second from `start` to `end`."""
        result = self._get("query_range", query=expression, start=start, end=end, step=1)
        return [Series(item["metric"], _points(item["values"])) for item in result]

    def _get(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        response = httpx.get(f"{self._url}/api/v1/{path}", params=parameters, trust_env=False)
        response.raise_for_status()
        result: list[dict[str, Any]] = response.json()["data"]["result"]
        return result


@contextmanager
def scraping(targets: Mapping[str, str], folder: Path) -> Iterator[Prometheus]:
    """Run Prometheus while in the block.

    Args:
        targets: Address by the name of the job in prometheus.yaml.
        folder: For its configuration and its data.

    Raises:
        SystemExit: There is no `prometheus`, or it does not start.
    """
    if not shutil.which("prometheus"):
        raise SystemExit(
            "there is no 'prometheus': install it (Debian: apt-get install prometheus)"
        )
    config = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text(encoding="utf-8"))
    config["global"] |= {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": "1s"}
    config["rule_files"] = [str(PROMETHEUS / name) for name in config["rule_files"]]
    for job in config["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [
        *("prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with programs.running("Prometheus", command, f"{url}/-/ready", {}):
        yield Prometheus(url)


def _points(values: Sequence[tuple[float, str]]) -> list[tuple[float, float]]:
    return [(time, float(value)) for time, value in values]
