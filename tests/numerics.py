"""Shared by the tests of the numerical core: sketches of scenes, closed forms, differences."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.engine.llvm import prepare_engine
from vlmrt_dist.errors import EngineUnavailable
from vlmrt_dist.paths.path_table import NONE, REFLECTION, TRANSMISSION, PathTable
from vlmrt_dist.scene import MaterialPrior
from vlmrt_dist.scene.model import SceneModel

try:
    prepare_engine()
except EngineUnavailable as error:  # the module that imports this one is skipped, by name
    pytest.skip(str(error), allow_module_level=True)

FREQUENCY = 3.5e9
PAPER = RadioConfig.paper()


def materials(scene: SceneModel, frequency: float = FREQUENCY, **changed: FloatArray):
    """The scene's materials at the carrier, with some replaced."""
    from vlmrt_dist.field.replay import Materials

    own = {
        "conductivity": scene.conductivity(frequency),
        "relative_permittivity": scene.relative_permittivity(frequency),
        "thickness": scene.thickness,
        **changed,
    }
    return Materials(own["conductivity"], own["relative_permittivity"], own["thickness"])


def sketch(
    setups: int = 2, receivers: int = 3, objects: int = 4, paths: int = 40, depth: int = 3
) -> PathTable:
    """A table of made-up paths: right in shape and sorted as traced ones are."""
    rng = np.random.default_rng(paths + 100 * depth)
    count = rng.integers(0, depth + 1, paths)
    there = np.arange(depth) < count[:, None]
    kind = np.where(there, rng.integers(REFLECTION, TRANSMISSION + 1, (paths, depth)), NONE)
    angle = rng.uniform(-np.pi, np.pi, (paths, depth + 1))
    angle[:, 1:][~there] = 0.0
    setup = np.sort(rng.integers(0, setups, paths))
    table = PathTable(
        num_setups=setups,
        num_receivers=receivers,
        num_objects=objects,
        setup=setup.astype(np.int32),
        receiver=rng.integers(0, receivers, paths).astype(np.int32),
        length=rng.uniform(1.0, 30.0, paths),
        kind=kind.astype(np.uint8),
        object=np.where(there, rng.integers(0, objects, (paths, depth)), 0).astype(np.int32),
        plane=np.where(there, rng.integers(0, 50, (paths, depth)), 0).astype(np.int32),
        cosine=np.where(there, rng.uniform(0.1, 1.0, (paths, depth)), 1.0),
        rotation=np.stack([np.cos(angle), np.sin(angle)], axis=2),
        tx_field=rng.normal(size=(paths, 2)),
        rx_field=rng.normal(size=(paths, 2)),
        margin=rng.uniform(0.0, 1.0, paths),
        complete_to=np.full(setups, depth, np.int32),
        seconds=np.zeros(setups),
        seconds_in_solver=np.zeros(setups),
    )
    from vlmrt_dist.paths.path_table import unite

    return unite([table])


def each_path_a_link(table: PathTable) -> PathTable:
    """The paths of a one-setup table, every one arriving at a receiver of its own."""
    count = table.num_paths
    return dataclasses.replace(
        table,
        num_setups=1,
        setup=np.zeros(count, np.int32),
        receiver=np.arange(count, dtype=np.int32),
        num_receivers=count,
        complete_to=table.complete_to[:1],
        seconds=np.zeros(1),
        seconds_in_solver=np.zeros(1),
    )


def five_point(
    function: Callable[[FloatArray], FloatArray], x: FloatArray, step: float = 1e-3
) -> FloatArray:
    """[..., K] derivative of ``function`` by each entry of ``x`` [K]; ``step`` is relative."""
    columns = []
    for k in range(len(x)):
        h = np.zeros(len(x))
        h[k] = step * x[k]
        near = function(x + h) - function(x - h)
        far = function(x + 2 * h) - function(x - 2 * h)
        columns.append((8.0 * near - far) / (12.0 * h[k]))
    return np.stack(columns, axis=-1)


def characteristic(
    eta: FloatArray, thick: FloatArray, cos: FloatArray, tm: bool
) -> tuple[FloatArray, FloatArray]:
    """R and T of layers [N, A] in vacuum by the product of their 2 × 2 matrices (M. Born and
    E. Wolf, Principles of Optics, section 1.6.2), with tangential fields: E for TE, H for TM.

    :param thick: 2π · thickness / λ
    """
    u = np.sqrt(eta - (1.0 - cos**2) + 0j)
    line, vacuum = (u / eta if tm else u), cos + 0j
    product = np.broadcast_to(np.eye(2, dtype=complex), (len(cos), 2, 2))
    for y, q in zip(line, thick * u, strict=True):
        layer = np.stack([np.cos(q), 1j * np.sin(q) / y, 1j * y * np.sin(q), np.cos(q)], axis=-1)
        product = product @ layer.reshape(-1, 2, 2)
    (m11, m12), (m21, m22) = np.moveaxis(product, 0, -1)
    seen = (m11 + m12 * vacuum) * vacuum, m21 + m22 * vacuum
    total = 1.0 / (seen[0] + seen[1])
    return (seen[0] - seen[1]) * total, 2.0 * vacuum * total


def all_concrete(room: SceneModel, **changes: Any) -> MaterialPrior:
    """Somebody takes every object for concrete, and is not sure of it."""
    values: dict[str, Any] = {
        "names": room.names,
        "materials": ("concrete",) * 9,
        "c": np.full(9, 0.0462),
        "d": np.full(9, 0.7822),
        "confidence": np.linspace(0.1, 0.9, 9),
        "sources": ("a test",) * 9,
        "width": np.linspace(1.5, 0.7, 9),
    }
    return MaterialPrior(**{**values, **changes})
