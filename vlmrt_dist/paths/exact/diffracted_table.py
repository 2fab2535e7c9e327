"""The diffracted paths of measurement setups as a :class:`PathTable`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import MeasurementSetup
from vlmrt_dist.cores import own_cores
from vlmrt_dist.paths.edge_rows import EdgeRows
from vlmrt_dist.paths.exact.antennas import empty_bodies
from vlmrt_dist.paths.exact.diffraction import HEAD, diffracted, ways_to_wedges
from vlmrt_dist.paths.exact.edge_geometry import Meeting, edge_rows
from vlmrt_dist.paths.exact.faces import PreparedScene
from vlmrt_dist.paths.exact.limits import IncompleteSearch, Limits, SearchLimits
from vlmrt_dist.paths.exact.table import Antenna
from vlmrt_dist.paths.exact.wedges import Wedges
from vlmrt_dist.paths.image_method import unfold
from vlmrt_dist.paths.path_table import DIFFRACTION, NONE, REFLECTION, TRANSMISSION, PathTable


class _Found(NamedTuple):
    """Paths of one setup: receivers [P], rows and places as of
    :func:`~vlmrt_dist.paths.exact.diffraction.diffracted`, and the depth they are complete to."""

    receiver: NDArray[np.int32]
    rows: NDArray[np.int32]
    places: FloatArray
    depth: int


def diffracted_table(
    scene: PreparedScene,
    wedges: Wedges,
    setups: Sequence[MeasurementSetup],
    limits: SearchLimits,
    antenna_field: Antenna,
    *,
    threads: int | None = None,
) -> PathTable:
    """The table of every path that a wedge diffracts, of at most ``limits.max_depth`` interactions,
    the diffraction among them.

    Warns with :class:`IncompleteSearch` where a budget was passed; paths are then complete to a
    lower depth.

    :raises NumericalError: if a path grazes a face, so that its geometry is not finite
    """
    search = partial(_of_setup, scene, wedges, limits)
    with ThreadPoolExecutor(threads or own_cores()) as pool:
        found = list(pool.map(search, setups))
    _warn_of_budgets(found, limits)
    width = 1 + max(limits.max_depth - 1, 0)
    rows = np.concatenate(
        [np.zeros((0, HEAD + width), np.int32), *(_wide(f.rows, width) for f in found)]
    )
    places = np.concatenate([np.zeros((0, 8)), *(f.places for f in found)])
    receiver = np.concatenate([np.zeros(0, np.int32), *(f.receiver for f in found)])
    setup = np.repeat(np.arange(len(found), dtype=np.int32), [len(f.rows) for f in found])
    kind, met, plane = _interactions(scene, wedges, rows)
    meeting = edge_rows(wedges, rows[:, 0], places[:, :3], places[:, 3:6], places[:, 6])
    tx = np.array([each.tx for each in setups]).reshape(-1, 3)[setup] - scene.shift
    rx = [setups[m].rx[n] for m, n in zip(setup.tolist(), receiver.tolist(), strict=True)]
    point = EdgeRows.of(meeting.edge).point
    ends = tx, np.array(rx).reshape(-1, 3) - scene.shift
    length, direction = unfold(scene.planes, *ends, kind, plane, point)
    normal = _normals(scene, meeting, kind, plane)
    theta_t, tx_field = antenna_field(np.ascontiguousarray(direction[:, 0]))
    theta_r, rx_field = antenna_field(-direction[:, -1])
    along = np.abs((normal * direction[:, :-1]).sum(axis=2))
    return PathTable(
        num_setups=len(setups),
        num_receivers=max((each.num_receivers for each in setups), default=0),
        num_objects=len(scene.names),
        setup=setup,
        receiver=receiver,
        length=length,
        kind=kind,
        object=met,
        plane=plane,
        cosine=np.where(kind != NONE, np.minimum(along, 1.0), 1.0),
        rotation=_rotations(direction, normal, kind, meeting, (theta_t, theta_r)),
        tx_field=tx_field,
        rx_field=rx_field * np.array([1.0, -1.0]),  # as in exact_table
        margin=places[:, 7],
        complete_to=np.array([f.depth for f in found], np.int32),
        seconds=np.zeros(len(setups)),
        seconds_in_solver=np.zeros(len(setups)),
        edge=meeting.edge,
    )


def _of_setup(
    scene: PreparedScene, wedges: Wedges, limits: SearchLimits, setup: MeasurementSetup
) -> _Found:
    """The diffracted paths of one setup, less deep where a budget is passed."""
    tx, rx = setup.tx - scene.shift, setup.rx - scene.shift
    convex = empty_bodies(scene.faces, tx, rx)
    for depth in range(limits.max_depth, 0, -1):
        beside = _beside(limits, depth)
        spent = np.zeros(1, np.int64)
        ways = ways_to_wedges(scene.faces, wedges, convex, tx, beside, spent)
        parts = []
        for n in range(len(rx)):
            if spent[0] > beside.steps:
                break
            back = ways_to_wedges(scene.faces, wedges, convex, rx[n], beside, spent)
            if spent[0] <= beside.steps:
                ends = (tx, np.ascontiguousarray(rx[n]))
                parts.append(diffracted(scene.faces, wedges, ends, (ways, back), beside, spent))
        if spent[0] <= beside.steps:
            sizes = [len(rows) for rows, _ in parts]
            receiver = np.repeat(np.arange(len(rx), dtype=np.int32), sizes)
            rows = np.concatenate([rows for rows, _ in parts])
            return _Found(receiver, rows, np.concatenate([x for _, x in parts]), depth)
    return _Found(np.zeros(0, np.int32), np.zeros((0, HEAD + 1), np.int32), np.zeros((0, 8)), 0)


def _beside(limits: SearchLimits, depth: int) -> Limits:
    """What a path of ``depth`` interactions may have beside its diffraction."""
    whole = limits.at_depth(depth)
    return Limits(
        depth - 1,
        min(whole.reflections, depth - 1),
        min(whole.transmissions, depth - 1),
        whole.steps,
        whole.rows,
    )


def _wide(rows: NDArray[np.int32], width: int) -> NDArray[np.int32]:
    return np.pad(rows, ((0, 0), (0, HEAD + width - rows.shape[1])))


def _interactions(
    scene: PreparedScene, wedges: Wedges, rows: NDArray[np.int32]
) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
    """Kind, object, and plane or wedge [P, D] of the interactions of rows."""
    code = rows[:, HEAD:]
    kind = np.where(code % 2 == 1, TRANSMISSION, REFLECTION).astype(np.uint8)
    kind[code == -1] = DIFFRACTION
    kind[np.arange(code.shape[1]) >= rows[:, 1:2]] = NONE
    surface = (kind == REFLECTION) | (kind == TRANSMISSION)
    piece = scene.faces.piece[np.where(surface, code // 2, 0)]
    edge = np.broadcast_to(rows[:, :1], code.shape)
    turned = kind == DIFFRACTION
    met = np.where(surface, piece["object"], 0)
    plane = np.where(surface, piece["plane"], 0)
    return (
        kind,
        np.where(turned, wedges.object[edge], met).astype(np.int32),
        np.where(turned, edge, plane).astype(np.int32),
    )


def _normals(
    scene: PreparedScene, meeting: Meeting, kind: NDArray[np.uint8], plane: NDArray[np.int32]
) -> FloatArray:
    """[P, D, 3] normals of the surfaces met; of a wedge, that of its near face."""
    turned = kind == DIFFRACTION
    normal = scene.planes.normal[np.where(turned, 0, plane)]
    return np.where(turned[..., None], meeting.normal[:, None], normal)


def _rotations(
    direction: FloatArray,
    normal: FloatArray,
    kind: NDArray[np.uint8],
    meeting: Meeting,
    theta: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """[P, D + 1, 2] cosine and sine of each change of basis; (1, 0) behind the last.

    :param theta: θ̂ [P, 3] of the transmitter's and of the receiver's antenna
    """
    paths, depth = kind.shape
    rotation = np.zeros((paths, depth + 1, 2))
    rotation[..., 0] = 1.0
    basis, last = theta[0], (kind != NONE).sum(axis=1)
    for d in range(depth + 1):
        travel, wanted = direction[:, d], theta[1]
        if d < depth:
            upright = _transverse(travel, normal[:, d], basis)
            turns = (kind[:, d] == DIFFRACTION)[:, None]
            upright = np.where(turns, meeting.basis, upright)
            wanted = np.where((d == last)[:, None], wanted, upright)
        turn = [(basis * wanted).sum(1), (np.cross(travel, basis) * wanted).sum(1)]
        active = (d <= last)[:, None]
        rotation[:, d] = np.where(active, np.column_stack(turn), rotation[:, d])
        basis = np.where(active, wanted, basis)
        if d < depth:
            basis = np.where(turns, meeting.leaving_basis, basis)
    return rotation


def _transverse(travel: FloatArray, normal: FloatArray, basis: FloatArray) -> FloatArray:
    """Unit vectors [P, 3] upright on the planes of incidence; at normal incidence the incoming
    basis."""
    vector = np.cross(travel, normal)
    size = np.linalg.norm(vector, axis=1, keepdims=True)
    unit = np.divide(vector, size, out=np.zeros_like(vector), where=size > 1e-9)
    return np.where(size > 1e-9, unit, basis)


def _warn_of_budgets(found: Sequence[_Found], limits: SearchLimits) -> None:
    short: IntArray = np.flatnonzero([f.depth < limits.max_depth for f in found])
    if len(short) == 0:
        return
    named = ", ".join(f"{m + 1} (depth {found[m].depth})" for m in short[:5])
    more = f" and {len(short) - 5} more" if len(short) > 5 else ""
    warnings.warn(
        f"the search for diffracted paths of {len(short)} setups passed its budget of "
        f"{limits.max_steps:,} steps or {limits.max_paths:,} ways; deeper ones are left out of "
        f"setups {named}{more}. Lower max_depth or max_reflections, or give setups fewer "
        "receivers, for complete sets",
        IncompleteSearch,
        stacklevel=3,
    )
