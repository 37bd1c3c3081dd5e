"""Tests the page in a headless browser, on a live service: ``python -m tests.page``.

The browser is Chromium or Chrome of the machine; it is driven by Playwright, in an environment of
its own. ``--docs`` makes the screenshots of docs/page.md again instead.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from testing.images import encoded, picture
from testing.minilm import MINILM
from testing.paths import ROOT
from testing.ports import free_ports
from testing.server import RunningServer
from tests.clients import facts
from tests.clients.catalog import Client
from tests.clients.environments import prepare
from tests.page.gateways import PREFIX, gateway, reverse_proxy

PLAYWRIGHT = Client(
    "page", "playwright==1.65.2 axe-playwright-python==0.1.8 openai==3.54.0 numpy==2.2.6"
)
"""The driver, the rules of accessibility, and the packages of the page's Python programs."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

KEY = "a-key-of-the-test"

HERE = Path(__file__).parent


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.page", description=__doc__)
    parser.add_argument(
        "--environment",
        type=Path,
        default=ROOT / ".venv-clients" / "page",
        help="folder of the virtual environment (default: %(default)s)",
    )
    parser.add_argument(
        "--browser", default=found_browser(), help="the program to drive (default: %(default)s)"
    )
    parser.add_argument("--screenshots", type=Path, help="write screenshots of all states here")
    parser.add_argument(
        "--docs", action="store_true", help="only make the screenshots of docs/page.md again"
    )
    options = parser.parse_args(arguments)
    if not options.browser:
        parser.error(f"found none of {', '.join(BROWSERS)}: apt-get install chromium")
    return options


def found_browser() -> str | None:
    """Return the path of an installed browser."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def check(options: argparse.Namespace, known: dict[str, Any]) -> int:
    """Run the checks, and return the exit status of pytest.

    Args:
        options: The command line.
        known: The addresses of the services, and other facts.
    """
    python = prepare(PLAYWRIGHT, options.environment)
    folder = ROOT / "docs" if options.docs else options.screenshots
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        known["screenshots"] = str(folder.absolute())
    checks = [HERE / "checks" / "documentation.py"] if options.docs else modules()
    environment = {
        **os.environ,
        "PAGE_FACTS": json.dumps(known),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [
        *(str(python), "-m", "pytest", *map(str, checks), "--verbose", "--capture", "no"),
        # Without the settings and fixtures of our own tests; these checks have their own.
        *("--config-file", os.devnull, "--rootdir", str(HERE / "checks")),
        *("--confcutdir", str(HERE / "checks"), "-p", "no:cacheprovider"),
    ]
    return subprocess.run(command, env=environment, cwd=HERE / "checks").returncode


def image_files(folder: Path) -> list[str]:
    """Write two images, and return their paths."""
    # The programs that the page offers must quote these names.
    files = [folder / name for name in ("sun & moon.png", "it's a $tree.png")]
    for seed, file in enumerate(files):
        file.write_bytes(encoded(picture(seed=seed)))
    return [str(file) for file in files]


def modules() -> list[Path]:
    """Return the checks of the page itself."""
    helpers = ("conftest.py", "documentation.py")
    return sorted(path for path in (HERE / "checks").glob("*.py") if path.name not in helpers)


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the page, and return the exit status."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        repository = Path(scratch) / "repository"
        for model in facts.models(Path(scratch)):
            model.export(repository)
        service = stack.enter_context(RunningServer(repository))
        ports = service.grpc_port, service.status_port
        enter = stack.enter_context
        prefixed = enter(gateway(*ports, TRITON_EMBED_ROOT_PATH=PREFIX))
        known = {
            "url": service.url,
            "keyed": enter(gateway(*ports, TRITON_EMBED_API_KEYS=KEY)),
            "key": KEY,
            # Nothing listens on these ports.
            "without_model": enter(gateway(*free_ports(2))),
            "behind_proxy": enter(reverse_proxy(service.url)),
            "with_root_path": enter(reverse_proxy(prefixed)),
            "browser": options.browser,
            "minilm": MINILM,
            "asymmetric": facts.ASYMMETRIC,
            "matryoshka": facts.MATRYOSHKA,
            "images": facts.IMAGES,
            "image_files": image_files(Path(scratch)),
        }
        return check(options, known)


if __name__ == "__main__":
    sys.exit(main())
