"""The compose files; `docker/test_compose.sh` runs them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from testing.paths import ROOT

ENTRANCES = ("gateway", "nginx")
"""The services that take requests of users; in a fleet, it is nginx."""

FILES = sorted(ROOT.glob("docker-compose*.yml"))


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_only_the_entrance_is_published_beyond_loopback_by_default(path: Path) -> None:
    services = yaml.safe_load(path.read_text(encoding="utf-8"))["services"]
    for name, service in services.items():
        if name in ENTRANCES:
            continue
        for port in service.get("ports", ()):
            default = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port)
            assert default.startswith("127.0.0.1:"), f"{name} publishes {default}"
