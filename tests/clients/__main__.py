"""Tests unmodified clients against a live service: ``python -m tests.clients [NAME ...]``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from testing.paths import ROOT
from testing.server import RunningServer
from tests.clients import facts
from tests.clients.catalog import CLIENTS, Client
from tests.clients.environments import CommandFailed, prepare, run

HERE = Path(__file__).parent

MAX_SECONDS = 300
"""Time limit of one check: some clients retry a failing request for a quarter of an hour."""

QUIET = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    # Telemetry and downloads that these libraries start by default.
    "ANONYMIZED_TELEMETRY": "False",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NVIDIA_USAGE_TELEMETRY_ENABLED": "0",
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    names = [client.name for client in CLIENTS]
    parser = argparse.ArgumentParser(
        prog="python -m tests.clients",
        description="Test unmodified clients, each in its own environment, on a live service.",
        epilog=f"Clients: {', '.join(names)}.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a client (default: all)")
    parser.add_argument(
        "--environments",
        type=Path,
        default=ROOT / ".venv-clients",
        help="folder of the virtual environments (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(names):
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    return options


def check(client: Client, environments: Path, facts_file: Path) -> None:
    """Install one client if necessary, and run its check.

    Raises:
        CommandFailed: The requirements cannot be installed, or an assertion fails.
    """
    python = prepare(client, environments / client.name)
    known = {"LIVE_FACTS": str(facts_file), "PYTHONPATH": str(HERE)}
    run(
        [
            *(str(python), "-m", "pytest", str(HERE / "checks" / client.check)),
            # Without the settings and fixtures of our own tests.
            *("--config-file", os.devnull, "--rootdir", str(HERE), "--confcutdir", str(HERE)),
            *("--import-mode", "importlib", "-p", "no:cacheprovider", "--quiet"),
        ],
        {**os.environ, **QUIET, **known},
        MAX_SECONDS,
    )


def main(arguments: list[str] | None = None) -> int:
    """Test the named clients, or all, and return the exit status."""
    options = parse(arguments)
    clients = [client for client in CLIENTS if not options.names or client.name in options.names]
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models = facts.models(folder)
        for model in models:
            model.export(folder / "repository")
        with RunningServer(folder / "repository") as service:
            facts.write(folder / "facts.json", service, models)
            for client in clients:
                started = time.monotonic()
                try:
                    check(client, options.environments, folder / "facts.json")
                    result = "passed"
                except CommandFailed as error:
                    failed += 1
                    result = "failed"
                    print(error)
                seconds = time.monotonic() - started
                print(f"{client.name:20} {result} {seconds:6.1f} s", flush=True)
    print(f"{len(clients) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
