"""The paths of one setup by Sionna's path solver, as a :class:`PathTable` with exact geometry.

One solve samples directions and interactions at random, so it finds a part of the paths only:
with the paper's 5000 rays about half of those of its room. The path set "united_solves" unites
independently seeded solves until further ones add nothing that matters; it still lacks paths that
every solve is unlikely to find, so that it proves nothing and serves as a cross-check.

Sionna chooses between reflection and transmission with the material's own probabilities, so chains
of unlikely interactions are found late or never. The paths do not depend on the materials; solves
to be united are therefore made with a resistive sheet, which reflects and transmits alike.
In the paper's room, D=4, that finds with 0.2 million rays what real materials need 6 million for.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import MeasurementSetup, RadioConfig
from vlmrt_dist.paths.antenna_patterns import antenna_field
from vlmrt_dist.paths.image_method import Planes, planes_of, unfold
from vlmrt_dist.paths.path_table import NOT_PROVEN, REFLECTION, TRANSMISSION, PathTable, unite
from vlmrt_dist.paths.receiver_groups import check_memory, groups_of
from vlmrt_dist.paths.sionna_scene import VARIANT, FoundPaths, LiveScene
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.units import FREE_SPACE_IMPEDANCE

ADDED_TOLERANCE = 1e-5
"""Solves are united until a further one adds less than this share of any link's power."""

CLEAN_SOLVES = 2
"""So many solves in a row have to stay below :data:`ADDED_TOLERANCE`; one may be luck."""

MAX_SOLVES = 10
"""Most solves united for one setup."""


class SionnaSolver:
    """Solves for the paths of one setup after another; the live scene is loaded for the first.

    :param scene: the scene; for a single solve its own conductivities steer Sionna's sampling
    :param radio: carrier, antennas, depth, rays, seed, and whether solves are united
    :param power: received powers [1, N] of a table's links, in any unit; decides when further
        solves add nothing that matters
    :param max_solves: most solves united for one setup
    """

    def __init__(
        self,
        scene: SceneModel,
        radio: RadioConfig,
        *,
        power: Callable[[PathTable], FloatArray],
        max_solves: int = MAX_SOLVES,
    ) -> None:
        self._scene = scene
        self._radio = radio
        self._power = power
        self._max_solves = max_solves
        self._unites = radio.path_set == "united_solves"
        self._loaded: tuple[LiveScene, Planes] | None = None
        self._most_receivers = 0

    def solve(self, setup: MeasurementSetup) -> PathTable:
        """The paths of one setup, and how long they took.

        :raises PathOverflowError: if Sionna's path buffer was full
        :raises EngineUnavailable: if the machine lacks the memory for one solve
        """
        begin = time.perf_counter()
        if self._loaded is None:
            model = thin_sheets(self._scene) if self._unites else self._scene
            live = LiveScene(model, self._radio)
            self._loaded = live, planes_of(self._scene, live.shift)
        live, planes = self._loaded
        if len(setup.rx) > self._most_receivers and VARIANT.startswith("llvm"):
            check_memory(self._radio, len(setup.rx))
            self._most_receivers = len(setup.rx)  # fewer will find the memory that these leave
        before = live.seconds_in_solver
        if self._unites:
            table = self._united(live, planes, setup)
        else:
            table = _solve_once(live, planes, setup, self._radio.seed, 0)
        return dataclasses.replace(
            _within_caps(table, self._radio),
            seconds=np.array([time.perf_counter() - begin]),
            seconds_in_solver=np.array([live.seconds_in_solver - before]),
        )

    def close(self) -> None:
        """Give back the memory of the solves."""
        if self._loaded is not None:
            self._loaded[0].release_memory()

    def _united(self, live: LiveScene, planes: Planes, setup: MeasurementSetup) -> PathTable:
        """The union of solves, until :data:`CLEAN_SOLVES` in a row add nothing that matters."""
        table = _solve_once(live, planes, setup, self._radio.seed, 0)
        power = self._power(table)
        solves, clean = 1, 0
        while solves < self._max_solves and clean < CLEAN_SOLVES:
            # Seeds are spread apart, so that neighbouring configurations share no solve.
            seed = (self._radio.seed * 7919 + 104_729 * solves) % 2**31
            table = unite([table, _solve_once(live, planes, setup, seed, solves)])
            before, power = power, self._power(table)
            added = np.divide(power - before, power, out=np.zeros_like(power), where=power > 0.0)
            clean = clean + 1 if np.all(added <= ADDED_TOLERANCE) else 0
            solves += 1
        return table


def _within_caps(table: PathTable, radio: RadioConfig) -> PathTable:
    """``table`` without paths of more reflections or transmissions than ``radio`` allows."""
    keep = np.ones(table.num_paths, bool)
    for kind, cap in (
        (REFLECTION, radio.max_reflections),
        (TRANSMISSION, radio.max_transmissions),
    ):
        if cap is not None:
            keep &= (table.kind == kind).sum(axis=1) <= cap
    return table if keep.all() else table.rows(keep)


def thin_sheets(scene: SceneModel) -> SceneModel:
    """``scene`` made of thin sheets of half the impedance of free space.

    At normal incidence such a sheet has reflection -1/2 and transmission 1/2.
    """
    thickness = 1e-4  # far below a wavelength, so that only conductivity times thickness counts
    conductivity = 2.0 / (FREE_SPACE_IMPEDANCE * thickness)
    return dataclasses.replace(
        scene,
        objects=tuple(
            dataclasses.replace(
                item,
                thickness=thickness,
                conductivity=conductivity,
                relative_permittivity=1.0,
            )
            for item in scene.objects
        ),
    )


def _solve_once(
    live: LiveScene, planes: Planes, setup: MeasurementSetup, seed: int, repetition: int
) -> PathTable:
    """The table of one solve for one setup: sorted, every path once."""
    tables = []
    for first, stop in groups_of(live.radio, len(setup.rx)):
        part = MeasurementSetup(setup.tx, setup.rx[first:stop])
        found = live.find_paths(part, seed, repetition)
        tables.append(table_of(live, planes, setup, found, first))
    return unite(tables)


def table_of(
    live: LiveScene, planes: Planes, setup: MeasurementSetup, found: FoundPaths, start: int
) -> PathTable:
    """The paths that a solve found, with their exact geometry and bases.

    :param planes: of the scene, shifted by :attr:`LiveScene.shift`
    :param start: number of the first receiver that was solved for
    """
    there = found.kind != 0
    face = planes.first_face[found.object] + found.face
    plane = np.where(there, planes.of_face[np.where(there, face, 0)], 0).astype(np.int32)
    paths, depth = found.kind.shape
    receiver = found.receiver + np.int32(start)
    rx = (setup.rx - live.shift)[receiver]
    tx = np.broadcast_to(setup.tx - live.shift, rx.shape)
    length, direction = unfold(planes, tx, rx, found.kind, plane)

    normal = planes.normal[plane]  # [P, D, 3]
    along = (normal * direction[:, :-1]).sum(2)
    antennas = live.radio.antenna_pattern, live.radio.polarization
    theta_t, tx_field = antenna_field(*antennas, direction[:, 0])
    theta_r, rx_field = antenna_field(*antennas, -direction[:, depth])
    # (θ̂, φ̂) is right-handed about the direction of travel at departure; at arrival the antenna
    # looks the other way, so φ̂ changes its sign.
    rx_field = rx_field * np.array([1.0, -1.0])
    count = len(setup.rx)
    return PathTable(
        num_setups=1,
        num_receivers=count,
        num_objects=live.model.num_objects,
        setup=np.zeros(paths, np.int32),
        receiver=receiver,
        length=length,
        kind=found.kind,
        object=found.object,
        plane=plane,
        cosine=np.where(there, np.minimum(np.abs(along), 1.0), 1.0),
        rotation=_rotations(direction, normal, there, theta_t, theta_r),
        tx_field=tx_field,
        rx_field=rx_field,
        margin=np.full(paths, np.nan),
        complete_to=np.array([NOT_PROVEN], np.int32),
        seconds=np.zeros(1),
        seconds_in_solver=np.zeros(1),
    )


def _rotations(
    direction: FloatArray,
    normal: FloatArray,
    there: BoolArray,
    theta_t: FloatArray,
    theta_r: FloatArray,
) -> FloatArray:
    """Rotation (cos, sin) [P, D + 1, 2] from the basis after each interaction to that of the next.

    :param direction: [P, D + 1, 3] directions of travel
    :param normal: [P, D, 3] normals of the surfaces met
    :param there: [P, D] where there is an interaction
    :param theta_t: [P, 3] θ̂ of the transmitter's antenna
    :param theta_r: [P, 3] θ̂ of the receiver's antenna
    """
    paths, depth = there.shape
    rotation = np.zeros((paths, depth + 1, 2))
    rotation[..., 0] = 1.0
    basis = theta_t
    last = there.sum(1)
    for d in range(depth + 1):
        travel = direction[:, d]
        if d < depth:
            wanted = _te(travel, normal[:, d], basis)
            wanted = np.where((d == last)[:, None], theta_r, wanted)
        else:
            wanted = theta_r
        turn = np.column_stack([(basis * wanted).sum(1), (np.cross(travel, basis) * wanted).sum(1)])
        active = (d <= last)[:, None]
        rotation[:, d] = np.where(active, turn, rotation[:, d])
        basis = np.where(active, wanted, basis)
    return rotation


def _te(travel: FloatArray, normal: FloatArray, basis: FloatArray) -> FloatArray:
    """Unit vectors [P, 3] perpendicular to the plane of incidence.

    At normal incidence any transverse vector will do: the incoming basis is kept.
    """
    vector = np.cross(travel, normal)
    size = np.linalg.norm(vector, axis=1, keepdims=True)
    te = np.divide(vector, size, out=np.zeros_like(vector), where=size > 1e-9)
    return np.where(size > 1e-9, te, basis)
