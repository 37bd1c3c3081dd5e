from __future__ import annotations

import os
from pathlib import Path

import pytest

from triton_embed.runtime.cores import usable_cores

CORES = 8


@pytest.fixture(autouse=True)
def affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(CORES)))


def machine(root: Path, membership: str, files: dict[str, str]) -> Path:
    """Write /proc/self/cgroup and files below /sys/fs/cgroup."""
    for name, text in {
        "proc/self/cgroup": membership,
        **{f"sys/fs/cgroup/{file}": content for file, content in files.items()},
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, CORES),
        ({"cpu.max": "1600000 100000\n"}, CORES),
        ({}, CORES),
    ],
    ids=["two", "one and a half", "a tenth", "none", "more than there are", "root group"],
)
def test_quota_of_a_container_limits_the_cores(
    tmp_path: Path, files: dict[str, str], cores: int
) -> None:
    assert usable_cores(machine(tmp_path, "0::/\n", files)) == cores


def test_smallest_quota_of_the_parent_groups_counts(tmp_path: Path) -> None:
    files = {
        "kubepods/cpu.max": "400000 100000",
        "kubepods/pod/cpu.max": "300000 100000",
        "kubepods/pod/container/cpu.max": "max 100000",
    }
    assert usable_cores(machine(tmp_path, "0::/kubepods/pod/container\n", files)) == 3


def test_quota_is_found_if_the_container_is_the_mount_point(tmp_path: Path) -> None:
    files = {"cpu.max": "200000 100000"}
    assert usable_cores(machine(tmp_path, "0::/docker/abc\n", files)) == 2


@pytest.mark.parametrize(("quota", "cores"), [("250000", 3), ("-1", CORES)])
def test_quota_of_version_1_limits_the_cores(tmp_path: Path, quota: str, cores: int) -> None:
    files = {
        "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": quota,
        "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000",
    }
    membership = "7:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n"
    assert usable_cores(machine(tmp_path, membership, files)) == cores


def test_machine_without_control_groups_has_the_cores_of_the_affinity(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == CORES
