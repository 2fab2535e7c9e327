"""Two path tables of the same links compared: paths that only one of them has."""

from __future__ import annotations

from collections import defaultdict

from vlmrt_dist.paths import PathTable

SAME_LENGTH = 1e-4
"""Lengths [m] of one path in two tables differ by less; solvers number planes differently, so paths
are told apart by link, interactions, objects and length."""

_Kind = tuple[tuple[int, ...], ...]


def only_one_has(one: PathTable, other: PathTable) -> tuple[int, int]:
    """Numbers of paths that only ``one`` has, and that only ``other`` has."""
    first, second = _lengths(one), _lengths(other)
    common = sum(_pairs(lengths, second[key]) for key, lengths in first.items() if key in second)
    return one.num_paths - common, other.num_paths - common


def _lengths(table: PathTable) -> dict[_Kind, list[float]]:
    """Lengths of the paths, ascending, by link, kinds of interactions and objects."""
    found: dict[_Kind, list[float]] = defaultdict(list)
    for p in table.length.argsort():
        met = table.kind[p] > 0
        key = ((int(table.link[p]),), tuple(table.kind[p][met]), tuple(table.object[p][met]))
        found[key].append(float(table.length[p]))
    return found


def _pairs(one: list[float], other: list[float]) -> int:
    """Number of disjoint pairs of equal lengths."""
    count = i = j = 0
    while i < len(one) and j < len(other):
        if abs(one[i] - other[j]) < SAME_LENGTH:
            count, i, j = count + 1, i + 1, j + 1
        elif one[i] < other[j]:
            i += 1
        else:
            j += 1
    return count
