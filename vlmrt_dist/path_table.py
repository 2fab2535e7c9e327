"""The propagation paths of a campaign as plain arrays: what tracing makes and replay consumes.

With fixed geometry a path does not depend on the materials; only the Fresnel coefficient at each
of its interactions does. A :class:`PathTable` therefore holds, once and for all, everything about
the paths that does not change during an estimation.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.errors import NumericalError
from vlmrt_dist.files import write_atomic

NONE, REFLECTION, TRANSMISSION = 0, 1, 2
"""Values of :attr:`PathTable.kind`: no interaction (padding), specular reflection, transmission."""

COMPLETE_TOLERANCE = 1e-5
"""A path set is complete when a further solve adds less than this share of any link's power."""

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class PathTable:
    """P paths, at most D interactions each, of M setups with N receivers in a scene of K objects.

    The electric field is transported in two transverse components. ``rotation[:, d]`` turns them
    into the (TE, TM) basis of interaction d, where the slab's two coefficients act, and
    ``rotation[:, n]`` (n interactions) into the receiver's basis; both bases are right-handed
    about the direction of travel, so that each change is one angle. Rows are sorted by setup,
    receiver and signature, so equal path sets are equal arrays.

    :param num_setups: M
    :param num_receivers: N, receivers of every setup (padded campaigns: the largest)
    :param num_objects: K
    :param setup: [P] setup of each path
    :param receiver: [P] receiver of each path within its setup
    :param length: [P] unfolded length [m]
    :param kind: [P, D] NONE, REFLECTION or TRANSMISSION
    :param object: [P, D] index of the object interacted with (0 where there is none)
    :param plane: [P, D] plane of the face interacted with (0 where there is none)
    :param cosine: [P, D] cosine of the angle of incidence (1 where there is none)
    :param rotation: [P, D + 1, 2] cosine and sine of each change of basis
    :param tx_field: [P, 2] transmit antenna's field pattern at departure
    :param rx_field: [P, 2] receive antenna's field pattern at arrival
    :param added: [M, N] share of each link's power that the last solve added (NaN: one solve only)
    :param num_solves: [M] path solves united for each setup
    :param seconds: [M] wall time that tracing each setup took, when it was traced [s]
    """

    num_setups: int
    num_receivers: int
    num_objects: int
    setup: NDArray[np.int32]
    receiver: NDArray[np.int32]
    length: NDArray[np.float64]
    kind: NDArray[np.uint8]
    object: NDArray[np.int32]
    plane: NDArray[np.int32]
    cosine: NDArray[np.float64]
    rotation: NDArray[np.float64]
    tx_field: NDArray[np.float64]
    rx_field: NDArray[np.float64]
    added: NDArray[np.float64]
    num_solves: NDArray[np.int32]
    seconds: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("length", "cosine", "rotation", "tx_field", "rx_field"):
            if not np.isfinite(getattr(self, name)).all():
                raise NumericalError(
                    f"the path table's {name} is not finite: a path grazes a face or runs along "
                    "an edge; move the antennas a little"
                )
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                view = value.view()  # the caller's own array stays as it is
                view.setflags(write=False)
                object.__setattr__(self, field.name, view)

    @property
    def num_paths(self) -> int:
        """P, number of paths of all links together."""
        return len(self.length)

    @property
    def max_depth(self) -> int:
        """D, columns for interactions."""
        return int(self.kind.shape[1])

    @property
    def link(self) -> NDArray[np.int64]:
        """[P] link of each path: setup · N + receiver."""
        return self.setup.astype(np.int64) * self.num_receivers + self.receiver

    @property
    def paths_per_link(self) -> NDArray[np.int64]:
        """[M, N] number of paths of each link."""
        count = np.bincount(self.link, minlength=self.num_setups * self.num_receivers)
        return count.reshape(self.num_setups, self.num_receivers)

    @property
    def incomplete(self) -> float:
        """Largest share of a link's power that the last solve still added (NaN: unknown)."""
        return float(np.max(self.added)) if self.added.size else 0.0

    def setup_keys(self) -> list[str]:
        """Content hash of each setup's paths; the same however the setups are grouped."""
        keys = []
        for m in range(self.num_setups):
            row = self.setup == m
            digest = hashlib.sha256(f"vlmrt paths {_FORMAT} {self.num_objects}\n".encode())
            for name in _ROWS[1:]:
                value = np.ascontiguousarray(getattr(self, name)[row])
                digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
                digest.update(value.tobytes())
            keys.append(digest.hexdigest())
        return keys

    @property
    def key(self) -> str:
        """Content hash of all paths (SHA-256, hexadecimal)."""
        return combined_key(self.setup_keys())

    def rows(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> PathTable:
        """The table with only the paths that ``index`` selects."""
        return dataclasses.replace(
            self,
            **{name: getattr(self, name)[index].copy() for name in _ROWS},
        )

    def signature(self) -> NDArray[np.int64]:
        """[P, 2 + 3 D] integers that two paths share if and only if they are the same path."""
        return np.concatenate(
            [self.setup[:, None], self.receiver[:, None], self.kind, self.object, self.plane],
            axis=1,
        ).astype(np.int64)

    def setups(self, index: Sequence[int]) -> PathTable:
        """The table of some of the setups, renumbered in the order given."""
        pick = np.asarray(index, dtype=np.int64)
        rows = [np.flatnonzero(self.setup == m) for m in pick]
        part = self.rows(np.concatenate(rows) if rows else np.zeros(0, np.int64))
        number = np.repeat(np.arange(len(pick), dtype=np.int32), [len(r) for r in rows])
        return dataclasses.replace(
            part,
            num_setups=len(pick),
            setup=number,
            added=self.added[pick].copy(),
            num_solves=self.num_solves[pick].copy(),
            seconds=self.seconds[pick].copy(),
        )


_ROWS = (
    "setup", "receiver", "length", "kind", "object", "plane", "cosine", "rotation",
    "tx_field", "rx_field",
)  # fmt: skip


def combined_key(setup_keys: Iterable[str]) -> str:
    """:attr:`PathTable.key` of a table from its setups' keys."""
    return hashlib.sha256("\n".join(setup_keys).encode()).hexdigest()


def concatenate_setups(tables: Iterable[PathTable]) -> PathTable:
    """One table of all the setups of ``tables``, in order.

    :raises ValueError: if the tables belong to different scenes or there are none
    """
    parts = list(tables)
    if not parts:
        raise ValueError("at least one path table is needed")
    if len({(t.num_objects, t.num_receivers) for t in parts}) != 1:
        raise ValueError("path tables of different scenes or receiver counts cannot be joined")
    start = np.cumsum([0] + [t.num_setups for t in parts])
    joined = _join(parts)
    setup = np.concatenate([t.setup + np.int32(s) for t, s in zip(parts, start, strict=False)])
    return dataclasses.replace(
        joined,
        num_setups=int(start[-1]),
        setup=setup.astype(np.int32),
        added=np.concatenate([t.added for t in parts]),
        num_solves=np.concatenate([t.num_solves for t in parts]),
        seconds=np.concatenate([t.seconds for t in parts]),
    )


def unite(tables: Sequence[PathTable]) -> PathTable:
    """Every path of several solves of the same setups once, sorted by signature."""
    joined = _join(list(tables))
    _, first = np.unique(joined.signature(), axis=0, return_index=True)
    return joined.rows(first)


def _join(parts: list[PathTable]) -> PathTable:
    depth = max(t.max_depth for t in parts)
    padded = [_pad(t, depth) for t in parts]
    rows = {name: np.concatenate([getattr(t, name) for t in padded]) for name in _ROWS}
    return dataclasses.replace(padded[0], **rows)  # type: ignore[arg-type]


def _pad(table: PathTable, depth: int) -> PathTable:
    """``table`` with ``depth`` columns; what is added leaves the field as it is."""
    extra = depth - table.max_depth
    if extra == 0:
        return table
    one = ((0, 0), (0, extra))
    rotation = np.pad(table.rotation, (*one, (0, 0)))
    rotation[:, table.max_depth + 1 :, 0] = 1.0
    return dataclasses.replace(
        table,
        kind=np.pad(table.kind, one),
        object=np.pad(table.object, one),
        plane=np.pad(table.plane, one),
        cosine=np.pad(table.cosine, one, constant_values=1.0),
        rotation=rotation,
    )


def save(table: PathTable, path: Path) -> None:
    """Write ``table`` so that a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f.name: np.asarray(getattr(table, f.name)) for f in dataclasses.fields(table)}
    content = io.BytesIO()
    np.savez(content, content_key=np.array(table.key), **arrays)  # type: ignore[arg-type]
    write_atomic(path, content.getvalue())


_DAMAGED = (
    OSError, ValueError, KeyError, TypeError, EOFError, NumericalError, BadZipFile,
    NotImplementedError, RuntimeError,  # a flipped bit may ask for a strange compression
)  # fmt: skip


def load(path: Path) -> PathTable | None:
    """Read a table back; None if the file is absent, truncated or altered."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
        key = str(values.pop("content_key"))
        counts = {n: int(values.pop(n)) for n in ("num_setups", "num_receivers", "num_objects")}
        table = PathTable(**counts, **values)  # type: ignore[arg-type]
    except _DAMAGED:
        return None
    return table if table.key == key else None
