r"""Throughput and latency of OpenAI-compatible servers, measured by NVIDIA's AIPerf, in turn.

AIPerf's packages conflict with ours. These commands create its environment::

    python3.11 -m venv FOLDER
    FOLDER/bin/pip install aiperf==0.13.0

Pass ``--aiperf FOLDER/bin/aiperf``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import infinity, server
from benchmarks.checkpoints import MINILM_FOLDER
from benchmarks.server import MODEL_ID
from benchmarks.texts import SEED, text_sets

OURS = "triton-embed"


@dataclass(frozen=True)
class Profile:
    """The result of one run of AIPerf.

    Attributes:
        rate: Requests per second.
        p50, p95: Latency in milliseconds.
        errors: Requests without a successful response.
    """

    rate: float
    p50: float
    p95: float
    errors: int

    @classmethod
    def from_file(cls, path: Path) -> Profile:
        """Read AIPerf's JSON export."""
        metrics = json.loads(path.read_text(encoding="utf-8"))
        latency = metrics["request_latency"]
        errors = metrics.get("error_request_count", {"avg": 0})
        return cls(
            metrics["request_throughput"]["avg"],
            latency["p50"],
            latency["p95"],
            int(errors["avg"]),
        )


class AIPerf:
    """Runs AIPerf on one server at a time.

    Args:
        command: The program ``aiperf``.
        dataset: A file of requests, in AIPerf's ``single_turn`` format.
    """

    def __init__(self, command: str, dataset: Path) -> None:
        self._command = command
        self._dataset = dataset

    def profile(self, url: str, concurrency: int, requests: int) -> Profile:
        """Keep `concurrency` requests open until `requests` were sent.

        Raises:
            SystemExit: AIPerf failed.
        """
        with TemporaryDirectory(prefix="triton-embed-aiperf-") as folder:
            done = subprocess.run(
                [
                    *(self._command, "profile", "--ui", "none", "--model", MODEL_ID),
                    *("--url", url, "--endpoint-type", "embeddings"),
                    *("--input-file", str(self._dataset), "--custom-dataset-type", "single_turn"),
                    *("--tokenizer", str(MINILM_FOLDER), "--extra-inputs", "truncate:END"),
                    *("--concurrency", str(concurrency), "--request-count", str(requests)),
                    *("--output-artifact-dir", folder),
                ],
                capture_output=True,
                text=True,
            )
            report = Path(folder) / "profile_export_aiperf.json"
            if done.returncode or not report.is_file():
                raise SystemExit(f"aiperf failed on {url}: {(done.stderr or done.stdout)[-2000:]}")
            return Profile.from_file(report)


def write_dataset(path: Path, texts: Sequence[str], size: int) -> None:
    """Write requests of `size` texts each."""
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, len(texts) - size + 1, size):
            file.write(json.dumps({"texts": texts[start : start + size]}) + "\n")


@contextmanager
def _servers(options: argparse.Namespace) -> Iterator[dict[str, str]]:
    """Yield the URLs of the servers by name."""
    with ExitStack() as stack:
        urls = {OURS: stack.enter_context(server.running(options.url)).url}
        if options.infinity:
            running = infinity.running(options.infinity, MINILM_FOLDER)
            # AIPerf appends the path of OpenAI's API itself.
            urls["infinity"] = stack.enter_context(running).url.removesuffix("/v1")
        for peer in options.peer:
            name, _, url = peer.partition("=")
            urls[name] = url
        yield urls


def _row(name: str, profiles: Sequence[Profile], ours: Sequence[Profile], inputs: int) -> str:
    rate = median(profile.rate for profile in profiles)
    ratio = median(mine.rate / profile.rate for mine, profile in zip(ours, profiles, strict=True))
    return (
        f"| {name} | {rate:.1f} | {rate * inputs:.0f} "
        f"| {median(profile.p50 for profile in profiles):.1f} "
        f"| {median(profile.p95 for profile in profiles):.1f} "
        f"| {sum(profile.errors for profile in profiles)} | {ratio:.2f} |"
    )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.aiperf",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    server.add_flags(parser)
    parser.add_argument("--aiperf", metavar="COMMAND", default="aiperf", help="AIPerf's program")
    parser.add_argument("--infinity", metavar="COMMAND", help="also measure infinity")
    parser.add_argument(
        "--peer",
        metavar="NAME=URL",
        action="append",
        default=[],
        help=f"also measure another running server that serves '{MODEL_ID}'; may be repeated",
    )
    parser.add_argument("--concurrency", type=int, default=8, help="open requests")
    parser.add_argument("--inputs", type=int, default=8, help="texts per request")
    parser.add_argument("--texts", type=int, default=384, help="texts of mixed length")
    parser.add_argument("--requests", type=int, default=200, help="requests per server and round")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each server")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure and print."""
    options = parse()
    texts = text_sets(options.texts, 0, 0)["mixed"]
    with TemporaryDirectory(prefix="triton-embed-aiperf-") as folder, _servers(options) as urls:
        dataset = Path(folder) / "texts.jsonl"
        write_dataset(dataset, texts, options.inputs)
        program = AIPerf(options.aiperf, dataset)
        profiles: dict[str, list[Profile]] = {name: [] for name in urls}
        for _ in range(options.rounds):
            for name, url in urls.items():
                profile = program.profile(url, options.concurrency, options.requests)
                profiles[name].append(profile)
    print(
        f"{server.conditions()}; seed {SEED}; {options.concurrency} clients, "
        f"{options.inputs} texts of mixed length per request, medians of {options.rounds} rounds\n"
    )
    print(f"| server | requests/s | texts/s | p50 ms | p95 ms | errors | {OURS} is times faster |")
    print("|---|---|---|---|---|---|---|")
    for name in urls:
        print(_row(name, profiles[name], profiles[OURS], options.inputs))


if __name__ == "__main__":
    main()
