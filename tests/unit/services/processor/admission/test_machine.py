"""Files of the kernel, as version 1 and 2 of control groups write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.processor.admission.machine import Machine

MIB = 1 << 20
MEMINFO = "MemTotal:       8388608 kB\nMemFree:         100000 kB\nMemAvailable:    6291456 kB\n"


class Tree:
    """A root folder with what is written into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write(
            {"proc/meminfo": MEMINFO, "proc/loadavg": "1.50 1.00 0.50 2/300 4242\n", "proc/self/cgroup": ""}
        )

    def write(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            place = self.root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    return Tree(tmp_path)


def test_without_control_groups_the_machine_is_the_limit(tree: Tree) -> None:
    found = Machine(tree.root).read()
    assert (found.cores, found.memory_limit, found.memory_free) == (16.0, 8192 * MIB, 6144 * MIB)
    assert (found.pressure, found.load) == (0.0, 1.5)


def test_version_2_the_nearest_and_all_above_bound(tree: Tree) -> None:
    group = "sys/fs/cgroup/pods/worker"
    tree.write(
        {
            "proc/self/cgroup": "0::/pods/worker\n",
            f"{group}/cpu.max": "150000 100000\n",
            f"{group}/memory.max": "max\n",
            f"{group}/cpu.pressure": "some avg10=12.34 avg60=1.00 avg300=0.00 total=1\nfull avg10=9.00",
            "sys/fs/cgroup/pods/cpu.max": "max 100000\n",
            "sys/fs/cgroup/pods/memory.max": f"{1024 * MIB}\n",
            "sys/fs/cgroup/pods/memory.current": f"{700 * MIB}\n",
            "sys/fs/cgroup/pods/memory.stat": (
                f"anon 5\nactive_file {100 * MIB}\ninactive_file {200 * MIB}\ninactive_anon 9\n"
            ),
        }
    )
    found = Machine(tree.root).read()
    assert (found.cores, found.pressure) == (1.5, 12.34)
    # What was read from files does not count: 1024 less 700, and 300 of these can be taken back.
    assert (found.memory_limit, found.memory_free) == (1024 * MIB, 624 * MIB)


def test_version_1_inside_a_container_that_sees_the_hosts_path(tree: Tree) -> None:
    tree.write(
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{512 * MIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{300 * MIB}\n",
            "sys/fs/cgroup/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {50 * MIB}\n",
        }
    )
    found = Machine(tree.root).read()
    assert (found.cores, found.memory_limit, found.memory_free) == (2.0, 512 * MIB, 262 * MIB)


def test_version_1_without_limits(tree: Tree) -> None:
    tree.write(
        {
            "proc/self/cgroup": "4:memory:/\n1:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{300 * MIB}\n",
        }
    )
    found = Machine(tree.root).read()
    assert (found.cores, found.memory_limit, found.memory_free) == (16.0, 8192 * MIB, 6144 * MIB)


def test_a_group_beyond_its_limit_leaves_nothing(tree: Tree) -> None:
    tree.write(
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "100\n",
            "sys/fs/cgroup/memory.current": "300\n",
        }
    )
    found = Machine(tree.root).read()
    assert (found.memory_limit, found.memory_free) == (100, 0)


def test_pressure_of_the_machine_counts_where_the_group_has_none(tree: Tree) -> None:
    tree.write({"proc/pressure/cpu": "some avg10=33.00 avg60=1.00 avg300=0.00 total=1\n"})
    assert Machine(tree.root).read().pressure == 33.0


def test_this_machine_can_be_read() -> None:
    found = Machine().read()
    assert 0 < found.cores <= found.machine_cores
    assert 0 < found.memory_free <= found.memory_limit
    assert found.load >= 0
