"""Cores that this process may use, which are fewer than the machine's where a batch system, a
container or ``taskset`` limits them."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

PROC, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Cores that the affinity and the quota of the control group leave to this process, at least
    one."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, math.ceil(min(count, quota())))


class _Share:
    """Cores that this process leaves the others of its machine."""

    own: int | None = None


def share_cores(count: int) -> None:
    """Take no more than ``count`` cores in this process from now on, which others share its machine
    with, as the actors of a pool."""
    _Share.own = count


def shared_cores() -> int | None:
    """Cores that :func:`share_cores` left to this process; None: it was not asked to share."""
    return None if _Share.own is None else own_cores()


def own_cores() -> int:
    """Threads that this process may start: one a usable core, or its share of them."""
    return usable_cores() if _Share.own is None else min(_Share.own, usable_cores())


def quota(proc: Path = PROC, cgroups: Path = CGROUPS) -> float:
    """Cores that the control groups of this process allow; infinite without a limit.

    :param proc: lists the groups of this process
    :param cgroups: where the groups are mounted
    """
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return math.inf
    least = math.inf
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / "cpu" if controllers else cgroups
        group = root / path.lstrip("/")
        # A limit of a group further up holds as well; in a container the path may lie outside.
        for folder in (group, *group.parents):
            if folder == root or root in folder.parents:
                least = min(least, _limit(folder))
    return least


def _limit(folder: Path) -> float:
    """The limit of one group: version 2 has it in one file, version 1 in two."""
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        allowed, period = (folder / "cpu.max").read_text().split()
        return math.inf if allowed == "max" else float(allowed) / float(period)
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        allowed = (folder / "cpu.cfs_quota_us").read_text()
        period = (folder / "cpu.cfs_period_us").read_text()
        return float(allowed) / float(period) if float(allowed) > 0 else math.inf
    return math.inf
