"""The propagation paths of a campaign as plain arrays: made by tracing, used by replay.

With fixed geometry a path does not depend on the materials; only the Fresnel coefficient at each
of its interactions does. A :class:`PathTable` therefore holds, once and for all, everything about
the paths that does not change during an estimation.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import MAX_DEPTH_LIMIT, PortAverage
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.paths.edge_rows import no_edges

NONE, REFLECTION, TRANSMISSION, DIFFRACTION = 0, 1, 2, 3
"""Values of :attr:`PathTable.kind`: no interaction (padding), specular reflection, transmission,
diffraction by the edge of a wedge (once in a path, at most)."""

FRAGILE = 1e-4
"""A path with a smaller edge margin than this [m] stands on the accuracy of the scene."""

NOT_PROVEN = -1
""":attr:`PathTable.complete_to` of a setup whose paths were sampled."""

_FORMAT = 2


class PortRows(NamedTuple):
    """Rows of a table whose links have several ports, or share paths.

    :param geometry: [P] number of each row's path; rows of one number differ in their antennas only
    :param pair: [P] pair of ports of the link that the row is for
    :param pairs: [P] how many pairs of ports that link has
    :param average: how their levels make that of the link, where there are several
    """

    geometry: IntArray
    pair: IntArray
    pairs: IntArray
    average: PortAverage | None

    def rows(self, index: IntArray | BoolArray) -> PortRows:
        """Those of some of the rows."""
        return PortRows(self.geometry[index], self.pair[index], self.pairs[index], self.average)


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
    :param kind: [P, D] NONE, REFLECTION, TRANSMISSION or DIFFRACTION
    :param object: [P, D] index of the object interacted with (0 where there is none)
    :param plane: [P, D] plane of the face interacted with, or number of the wedge (0 where there is
        none)
    :param cosine: [P, D] cosine of the angle of incidence (1 where there is none), on a wedge's
        near face
    :param rotation: [P, D + 1, 2] cosine and sine of each change of basis
    :param tx_field: [P, 2] transmit antenna's field pattern at departure, complex where its phase
        is not zero (elements beside the device, measured fields)
    :param rx_field: [P, 2] receive antenna's field pattern at arrival
    :param margin: [P] edge margin: how far the path is from gaining or losing an interaction [m]
        (infinite: no edge is near; NaN: unknown, the path was sampled)
    :param complete_to: [M] depth to which each setup's set holds every path; :data:`NOT_PROVEN`
        where the paths were sampled
    :param seconds: [M] wall time that tracing each setup took, when it was traced [s]
    :param seconds_in_solver: [M] the part of it that the search, or Sionna's path solver, took [s]
    :param ports: ports of the rows; None: each link has one pair, and no path but its own
    :param edge: [P, EDGE_COLUMNS] :class:`~vlmrt_dist.paths.edge_rows.EdgeRows` of the paths, zeros
        where one is not diffracted; None: none is
    """

    num_setups: int
    num_receivers: int
    num_objects: int
    setup: NDArray[np.int32]
    receiver: NDArray[np.int32]
    length: FloatArray
    kind: NDArray[np.uint8]
    object: NDArray[np.int32]
    plane: NDArray[np.int32]
    cosine: FloatArray
    rotation: FloatArray
    tx_field: NDArray[Any]
    rx_field: NDArray[Any]
    margin: FloatArray
    complete_to: NDArray[np.int32]
    seconds: FloatArray
    seconds_in_solver: FloatArray
    ports: PortRows | None = None
    edge: FloatArray | None = None

    def __post_init__(self) -> None:
        for name in ("length", "cosine", "rotation", "tx_field", "rx_field", "edge"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value).all():
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
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that have an entry for each path."""
        return ROWS if self.edge is None else (*ROWS, "edge")

    @property
    def num_paths(self) -> int:
        """P, number of paths of all links together."""
        return len(self.length)

    @property
    def max_depth(self) -> int:
        """D, columns for interactions."""
        return int(self.kind.shape[1])

    @property
    def link(self) -> IntArray:
        """[P] link of each path: setup · N + receiver."""
        return self.setup.astype(np.int64) * self.num_receivers + self.receiver

    @property
    def paths_per_link(self) -> IntArray:
        """[M, N] number of paths of each link."""
        count = np.bincount(self.link, minlength=self.num_setups * self.num_receivers)
        return count.reshape(self.num_setups, self.num_receivers)

    @property
    def certificate(self) -> int:
        """Depth to which the sets of all setups hold every path; :data:`NOT_PROVEN`: sampled."""
        return int(self.complete_to.min(initial=MAX_DEPTH_LIMIT))

    @property
    def num_fragile(self) -> int:
        """Number of paths within :data:`FRAGILE` of an edge (0 where margins are unknown)."""
        return int((self.margin < FRAGILE).sum())

    def setup_keys(self) -> list[str]:
        """Content hash of each setup's paths; the same however the setups are grouped."""
        order, begin = self._by_setup()
        sorted_already = bool((order[:-1] <= order[1:]).all())
        keys = []
        for first, stop in itertools.pairwise(begin.tolist()):
            rows = slice(first, stop) if sorted_already else order[first:stop]
            digest = hashlib.sha256(f"vlmrt paths {_FORMAT} {self.num_objects}\n".encode())
            for name in self.columns[1:]:
                value = np.ascontiguousarray(getattr(self, name)[rows])
                digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
                digest.update(value.reshape(-1).view(np.uint8).data)
            keys.append(digest.hexdigest())
        return keys

    def _by_setup(self) -> tuple[IntArray, IntArray]:
        """[P] rows setup by setup, each setup's in the order they have; [M + 1] where each setup
        begins among them."""
        count = np.bincount(self.setup, minlength=self.num_setups)
        return np.argsort(self.setup, kind="stable"), np.concatenate([[0], np.cumsum(count)])

    @property
    def key(self) -> str:
        """Content hash of all paths (SHA-256, hexadecimal)."""
        return combined_key(self.setup_keys())

    def rows(self, index: IntArray | BoolArray) -> PathTable:
        """The table with only the paths that ``index`` selects."""
        kept: dict[str, Any] = {name: getattr(self, name)[index].copy() for name in self.columns}
        ports = None if self.ports is None else self.ports.rows(index)
        return dataclasses.replace(self, **kept, ports=ports)

    def signature(self) -> IntArray:
        """[P, 2 + 3 D] integers that two paths share if and only if they are the same path."""
        return np.concatenate(
            [self.setup[:, None], self.receiver[:, None], self.kind, self.object, self.plane],
            axis=1,
        ).astype(np.int64)

    def setups(self, index: Sequence[int]) -> PathTable:
        """The table of some of the setups, renumbered in the order given."""
        pick = np.asarray(index, dtype=np.int64)
        order, begin = self._by_setup()
        rows = [order[begin[m] : begin[m + 1]] for m in pick]
        part = self.rows(np.concatenate(rows) if rows else np.zeros(0, np.int64))
        number = np.repeat(np.arange(len(pick), dtype=np.int32), [len(r) for r in rows])
        kept: dict[str, Any] = {name: getattr(self, name)[pick].copy() for name in PER_SETUP}
        return dataclasses.replace(part, num_setups=len(pick), setup=number, **kept)

    def padded(self, present: BoolArray) -> PathTable:
        """The table with its receivers numbered as in a padded campaign.

        :param present: [M, N'] which receivers of the campaign exist; the table numbers those of
            each setup one after another
        """
        if present.all() and present.shape[1] == self.num_receivers:
            return self
        number = np.argsort(~present, axis=1, kind="stable").astype(np.int32)
        return dataclasses.replace(
            self,
            num_receivers=present.shape[1],
            receiver=number[self.setup, self.receiver],
        )


ROWS = (
    "setup", "receiver", "length", "kind", "object", "plane", "cosine", "rotation",
    "tx_field", "rx_field", "margin",
)  # fmt: skip
"""Columns of a :class:`PathTable` that have an entry for each path."""

PER_SETUP = ("complete_to", "seconds", "seconds_in_solver")
"""Those that have one for each setup."""


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
    if len(parts) == 1:
        return parts[0]
    start = np.cumsum([0] + [t.num_setups for t in parts])
    joined = _join(parts)
    setup = np.concatenate([t.setup + np.int32(s) for t, s in zip(parts, start, strict=False)])
    kept: dict[str, Any] = {n: np.concatenate([getattr(t, n) for t in parts]) for n in PER_SETUP}
    number = setup.astype(np.int32)
    return dataclasses.replace(joined, num_setups=int(start[-1]), setup=number, **kept)


def unite(tables: Sequence[PathTable]) -> PathTable:
    """Every path of several solves of the same setups once, sorted by signature."""
    joined = _join(list(tables))
    words = _packed(joined)
    order = np.lexsort(words[::-1])  # stable: of equal paths, the first stays
    new = np.ones(len(order), bool)
    new[1:] = np.any([word[order[1:]] != word[order[:-1]] for word in words], axis=0)
    return joined.rows(order[new])


def _packed(table: PathTable) -> list[IntArray]:
    """:meth:`PathTable.signature` in as few integers [P] as hold its columns' bits: they order the
    paths as its columns do, and are sorted ten to eighty times faster (10³ to 10⁶ paths)."""
    words, room = [np.zeros(table.num_paths, np.int64)], 63
    for column in (table.setup, table.receiver, *table.kind.T, *table.object.T, *table.plane.T):
        bits = int(column.max(initial=0)).bit_length()
        if bits > room:
            words.append(np.zeros(table.num_paths, np.int64))
            room = 63
        words[-1] = words[-1] << bits | column
        room -= bits
    return words


def _join(parts: list[PathTable]) -> PathTable:
    depth = max(t.max_depth for t in parts)
    padded = [_pad(t, depth) for t in parts]
    rows: dict[str, Any] = {n: np.concatenate([getattr(t, n) for t in padded]) for n in ROWS}
    edge = None
    if any(t.edge is not None for t in parts):
        edge = np.concatenate([no_edges(t.num_paths) if t.edge is None else t.edge for t in parts])
    return dataclasses.replace(padded[0], **rows, ports=_joined_ports(parts), edge=edge)


def _joined_ports(parts: list[PathTable]) -> PortRows | None:
    """The ports of the rows of several tables, whose paths are not the same ones."""
    ports = [t.ports for t in parts if t.ports is not None]
    if len(ports) < len(parts):
        return None
    sizes = [int(each.geometry.max(initial=-1)) + 1 for each in ports]
    first = np.cumsum([0, *sizes])
    geometry = [p.geometry + f for p, f in zip(ports, first, strict=False)]
    pair = np.concatenate([p.pair for p in ports])
    pairs = np.concatenate([p.pairs for p in ports])
    return PortRows(np.concatenate(geometry), pair, pairs, ports[0].average)


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
