"""Groups of receivers that one path solve is for, and the memory that it takes."""

from __future__ import annotations

import itertools
from pathlib import Path

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.errors import EngineUnavailable

MAX_LANES_AT_ONCE = 50_000_000
"""Most lanes (rays · depth · receivers) of a setup that is solved for in one piece."""

LANES_PER_GROUP = 25_000_000
"""Most lanes of one group of receivers where a setup has more than that.

Constants, since what a machine has free must not decide which paths are found: Sionna tells its
candidates apart by a hash that counts the receivers of a solve, and drops one of two that collide.
Smaller groups find more of them (120 receivers, 0.2 million rays: 6856 paths in groups of 60, 6900
in groups of 30), and groups of one size use each other's memory."""

BYTES_PER_LANE = 40
"""Memory of Sionna's deterministic solver for each lane (33 to 37 measured, D = 2 to 6)."""

BYTES_PER_COLUMN, BYTES_BESIDE = 32_000_000, 110_000_000
"""Its memory besides: a buffer of a million candidates for each interaction of a path, and the
rest (166 MB measured at D = 4, 225 MB at D = 6)."""


def groups_of(radio: RadioConfig, receivers: int) -> list[tuple[int, int]]:
    """First receiver of each group, and the one after its last; sizes differ by one at most.

    >>> groups_of(RadioConfig(samples_per_src=1_000_000, max_depth=4), 12)
    [(0, 12)]
    >>> groups_of(RadioConfig(samples_per_src=1_000_000, max_depth=4), 13)
    [(0, 4), (4, 8), (8, 13)]
    """
    each = _lanes(radio)
    if each * receivers <= MAX_LANES_AT_ONCE:
        return [(0, receivers)]
    largest = max(1, LANES_PER_GROUP // each)
    count = -(-receivers // largest)
    return list(itertools.pairwise(receivers * i // count for i in range(count + 1)))


def solve_bytes(radio: RadioConfig, receivers: int) -> int:
    """Approximate memory of a solve beyond what the process holds [bytes]."""
    return (
        BYTES_BESIDE
        + BYTES_PER_COLUMN * radio.max_depth
        + BYTES_PER_LANE * _lanes(radio) * receivers
    )


def check_memory(radio: RadioConfig, receivers: int) -> None:
    """:raises EngineUnavailable: if this machine has not the memory for the largest of the groups;
    without that, the operating system would end the process in the middle of a solve"""
    largest = max(stop - first for first, stop in groups_of(radio, receivers))
    needed, free = solve_bytes(radio, largest), free_memory()
    if free is not None and needed > free:
        raise EngineUnavailable(
            f"a solve with {radio.samples_per_src:,} rays and depth {radio.max_depth} for "
            f"{largest} receivers takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory "
            "are free; lower samples_per_src or max_depth, or run fewer actors on this machine"
        )


def free_memory() -> int | None:
    """Memory that this process can still have [bytes]: of the machine, or of its control group if
    that is less; None where the operating system does not tell."""
    found = []
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            found.append(1024 * int(line.split()[1]))
    group = "/sys/fs/cgroup/memory"
    limit, used = _text(f"{group}.max").strip(), _text(f"{group}.current").strip()
    if limit.isdigit() and used.isdigit():
        # Cached file contents are given back when memory is short.
        cached = [int(x.split()[1]) for x in _text(f"{group}.stat").splitlines()
                  if x.startswith("inactive_file ")]  # fmt: skip
        found.append(max(0, int(limit) - int(used) + sum(cached)))
    return min(found, default=None)


def _lanes(radio: RadioConfig) -> int:
    """Lanes of one receiver."""
    return radio.samples_per_src * max(radio.max_depth, 1)


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
