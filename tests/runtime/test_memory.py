from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from testing.metrics import samples
from triton_embed.runtime.memory import Memory, MemoryCollector, container_memory, shared_memory

MEMINFO = "MemTotal: 8000 kB\nMemFree: 100 kB\nMemAvailable: 3000 kB\n"
MACHINE = Memory(5000 * 1024, 8000 * 1024)


def machine(root: Path, membership: str, files: dict[str, str]) -> Path:
    """Write /proc and files below /sys/fs/cgroup."""
    for name, text in {
        "proc/self/cgroup": membership,
        "proc/meminfo": MEMINFO,
        **{f"sys/fs/cgroup/{file}": content for file, content in files.items()},
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("limit", "memory"),
    [("4000000\n", Memory(2_000_000, 4_000_000)), ("max\n", MACHINE), ("99999999999\n", MACHINE)],
    ids=["limit", "no limit", "more than the machine has"],
)
def test_memory_is_that_of_the_control_group(tmp_path: Path, limit: str, memory: Memory) -> None:
    files = {
        "memory.max": limit,
        "memory.current": "2500000\n",
        "memory.stat": "anon 1\ninactive_file 500000\nactive_file 7\n",
    }
    assert container_memory(machine(tmp_path, "0::/\n", files)) == memory


def test_memory_of_version_1_is_that_of_the_lowest_limit(tmp_path: Path) -> None:
    files = {
        "memory/pod/memory.limit_in_bytes": "3000000",
        "memory/pod/memory.usage_in_bytes": "900000",
        "memory/pod/memory.stat": "total_inactive_file 100000",
        "memory/pod/container/memory.limit_in_bytes": "9223372036854771712",
        "memory/pod/container/memory.usage_in_bytes": "700000",
        "memory/pod/container/memory.stat": "total_inactive_file 0",
    }
    membership = "4:memory:/pod/container\n1:cpu:/\n"
    assert container_memory(machine(tmp_path, membership, files)) == Memory(800_000, 3_000_000)


def test_shared_memory_is_optional(tmp_path: Path) -> None:
    assert shared_memory(tmp_path / "missing") is None
    found = shared_memory(tmp_path)
    assert found and 0 <= found.used <= found.limit


def test_memory_is_reported() -> None:
    registry = CollectorRegistry()
    registry.register(MemoryCollector())
    found = samples(generate_latest(registry).decode())
    for name in ("memory", "shared_memory"):
        used, limit = (found[f"triton_embed_{name}_{kind}_bytes"] for kind in ("used", "limit"))
        assert 0 <= used <= limit
