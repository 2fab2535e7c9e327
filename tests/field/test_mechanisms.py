"""Tests of what replay adds to paths: other mechanisms, and the loss of rough surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.numerics import materials
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import UnsupportedByReplay
from vlmrt_dist.field import SLAB, Added, Materials, Parameter, Replay, Roughness, Slopes, trace
from vlmrt_dist.paths.path_table import REFLECTION, PathTable
from vlmrt_dist.scene.model import SceneModel

RADIO = RadioConfig(max_depth=2)


class OtherPaths:
    """The mechanism of what further paths carry."""

    def __init__(self, table: PathTable, radio: RadioConfig) -> None:
        self._replay, self._table = Replay(table, radio), table

    def added(self, materials: Materials, wanted: Sequence[Parameter], *, coherent: bool) -> Added:
        if not coherent:
            return Added(*self._replay.slopes(materials, wanted))
        table, links = self._table, self._replay.num_links
        paths = self._replay.by_path(materials, wanted, coherent=True)
        field = np.zeros((links, paths.value.shape[1]), complex)
        np.add.at(field, table.link, paths.value)
        there = table.kind.T.ravel() != 0
        link = np.tile(table.link, table.max_depth)[there]
        met = table.object.T.ravel()[there]
        by = {name: Slopes(link, met, rows[there]) for name, rows in paths.by_path.items()}
        return Added(field, by)


@pytest.fixture(scope="module")
def table(room: SceneModel, campaign: Campaign) -> PathTable:
    return trace(room, campaign, RADIO)


@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_paths_as_a_mechanism_are_paths(room: SceneModel, table: PathTable, combining: Any) -> None:
    radio = RADIO.replace(combining=combining)
    apart = np.arange(table.num_paths) % 3 == 0
    whole = Replay(table, radio)
    parts = Replay(table.rows(~apart), radio, mechanisms=[OtherPaths(table.rows(apart), radio)])
    sigma = room.conductivity(radio.frequency) * np.array([[1.0], [2.0]])
    here = materials(room, conductivity=sigma)
    expected, found = whole.derivatives(here, SLAB), parts.derivatives(here, SLAB)
    weight = np.random.default_rng(0).normal(size=(2, table.num_setups, table.num_receivers))
    for name in SLAB:
        np.testing.assert_allclose(found[name].rss, expected[name].rss, rtol=1e-12)
        one, other = (e.gradient(d[name], weight, np.arange(1.0, 10.0))
                      for e, d in ((whole, expected), (parts, found)))  # fmt: skip
        np.testing.assert_allclose(other, one, atol=1e-12 * np.abs(one).max())
    first = materials(room, conductivity=sigma[0])
    for name in SLAB:
        one, other = (e.jacobian(e.derivative(first, name), name) for e in (whole, parts))
        assert abs(one - other).max() <= 1e-12 * abs(one).max()


@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_reflections_lose_what_rough_surfaces_scatter(
    room: SceneModel, table: PathTable, combining: Any
) -> None:
    radio = RADIO.replace(combining=combining)
    rough = Roughness(table, np.zeros(9))
    engine, plain = Replay(table, radio, roughness=rough), Replay(table, radio)
    share = np.linspace(0.0, 0.9, 9)
    here = materials(room)
    coherent = combining == "coherent"
    paths = plain.by_path(here, (), coherent=coherent).value[:, 0]
    factor = np.ones(table.num_paths)
    for kind, met in zip(table.kind.T, table.object.T, strict=True):
        factor *= np.where(kind == REFLECTION, 1.0 - share[met] ** 2, 1.0)
    expected = np.zeros(table.num_setups * table.num_receivers, paths.dtype)
    np.add.at(expected, table.link, paths * (np.sqrt(factor) if coherent else factor))
    expected = np.abs(expected) ** 2 if coherent else expected
    found = engine.rss(here._replace(scattering_coefficient=share))
    np.testing.assert_allclose(found.ravel(), expected.real, rtol=1e-12)
    np.testing.assert_array_equal(engine.rss(here), plain.rss(here))


@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_derivatives_by_the_scattering_coefficient(
    room: SceneModel, table: PathTable, combining: Any
) -> None:
    radio = RADIO.replace(combining=combining)
    engine = Replay(table, radio, roughness=Roughness(table, np.zeros(9)))
    share, step = np.linspace(0.1, 0.9, 9), 1e-5
    here = materials(room)
    name: Parameter = "scattering_coefficient"
    around = share + step * np.concatenate([np.eye(9), -np.eye(9)])
    rss = engine.rss(here._replace(scattering_coefficient=around)).reshape(2, 9, -1)
    expected = (rss[0] - rss[1]) / (2.0 * step)
    at = here._replace(scattering_coefficient=share)
    derivatives = engine.derivatives(at, ("conductivity", name))
    found = engine.jacobian(derivatives[name], name).toarray().T
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())
    _, slopes = engine.slopes(at, (name,))
    np.testing.assert_array_equal(slopes[name].value[:, 0], found.T[slopes[name][:2]])
    sigma = at.conductivity + 1e-6 * at.conductivity * np.eye(9) * [[[1]], [[-1]]]
    moved = engine.rss(at._replace(conductivity=sigma.reshape(18, 9))).reshape(2, 9, -1)
    expected = (moved[0] - moved[1]) / (2e-6 * at.conductivity[:, None])
    found = engine.jacobian(derivatives["conductivity"]).toarray().T
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


def test_antennas_of_rough_surfaces_do_not_turn(table: PathTable) -> None:
    with pytest.raises(UnsupportedByReplay, match="unknown orientations"):
        Replay(table, RADIO, turning=True, roughness=Roughness(table, np.zeros(9)))
