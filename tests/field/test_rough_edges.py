"""Tests of diffraction and diffuse scattering together, against differences and Sionna's solver."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.field.test_diffraction import RX, TX, block, diffracted, scene_of, wall_and_building
from tests.numerics import five_point, materials
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.field import (
    Parameter,
    Replay,
    ReplayObjective,
    RetraceObjective,
    Roughness,
    trace,
)
from vlmrt_dist.field.replays import mechanisms_of, replay_of
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.units import watts_to_dbm

pytestmark = pytest.mark.filterwarnings("ignore::vlmrt_dist.paths.CoincidentSurfaces")

RADIO = RadioConfig(
    max_depth=2, diffraction=True, diffuse_reflection=True, scattering_points=200, tx_power_dbm=30.0
)
NAMES: tuple[Parameter, ...] = (
    "conductivity", "relative_permittivity", "thickness", "scattering_coefficient",
    "xpd_coefficient",
)  # fmt: skip


def rough(scene: SceneModel, share: float = 0.4, xpd: float = 0.1) -> SceneModel:
    objects = tuple(
        dataclasses.replace(o, scattering_coefficient=share, xpd_coefficient=xpd)
        for o in scene.objects
    )
    return dataclasses.replace(scene, objects=objects)


@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_derivatives_by_all_parameters_are_differences(combining: Any) -> None:
    """Behind the building, where edges and what the wall and the ground scatter arrive."""
    scene = rough(wall_and_building())
    radio = RADIO.replace(combining=combining, scattering_points=60, polarization="H")
    campaign = Campaign(TX[None], RX[None])
    engine = replay_of(scene, campaign, radio, trace(scene, campaign, radio))
    here = materials(scene)._replace(
        scattering_coefficient=np.array([0.5, 0.3, 0.7]), xpd_coefficient=np.array([0.2, 0.1, 0.6])
    )
    derivatives = engine.derivatives(here, NAMES)
    for name in NAMES:

        def rss(x: FloatArray, name: str = name) -> FloatArray:
            return engine.rss(here._replace(**{name: x})).ravel()

        expected = five_point(rss, getattr(here, name), 1e-4)
        found = engine.jacobian(derivatives[name], name).toarray()
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    many = engine.rss(here._replace(scattering_coefficient=np.array([[0.5, 0.3, 0.7], [0.1] * 3])))
    np.testing.assert_array_equal(many[:1], engine.rss(here))


@pytest.mark.parametrize("combining", ["power", "coherent"])
@pytest.mark.parametrize("only", [None, 1.0, 0.0])
def test_diffracted_paths_lose_what_the_faces_scatter(combining: Any, only: float | None) -> None:
    """Derivatives of single mechanisms: rows that both faces are lit on, and others."""
    scene, radio = rough(wall_and_building()), RADIO.replace(combining=combining)
    above = np.array([-5.0, -4.0, 13.0])  # the sides towards it and the roof are lit
    table = trace(scene, Campaign(above[None], RX[None]), radio)
    assert table.edge is not None
    rows = diffracted(table)
    if only is not None:
        rows = rows[table.edge[rows, -1] == only]
    assert len(rows) > 3
    engine = Replay(table.rows(rows), radio, roughness=Roughness(table.rows(rows), np.zeros(3)))
    share = np.array([0.5, 0.3, 0.7])
    here = materials(scene)._replace(scattering_coefficient=share)
    name: Parameter = "scattering_coefficient"

    def rss(x: FloatArray) -> FloatArray:
        return engine.rss(here._replace(scattering_coefficient=x)).ravel()

    found = engine.jacobian(engine.derivative(here, name), name).toarray()
    np.testing.assert_allclose(found, five_point(rss, share), atol=1e-8 * np.abs(found).max())
    assert (found[:, 0] != 0.0).any()
    smooth = Replay(table.rows(rows), radio)
    np.testing.assert_array_equal(rss(np.zeros(3)), smooth.rss(materials(scene)).ravel())


def test_single_paths_add_to_levels_and_derivatives() -> None:
    scene = rough(wall_and_building())
    table = trace(scene, Campaign(TX[None], RX[None]), RADIO)
    engine = Replay(table, RADIO, roughness=Roughness(table, scene.scattering_coefficient))
    for coherent in (False, True):
        paths = engine.by_path(materials(scene), NAMES, coherent=coherent)
        field = np.zeros(5, paths.value.dtype)
        np.add.at(field, table.link, paths.value[:, 0])
        own = Replay(
            table, RADIO.replace(combining="coherent" if coherent else "power"),
            roughness=Roughness(table, scene.scattering_coefficient),
        )  # fmt: skip
        level = own.rss(materials(scene)).ravel()
        np.testing.assert_allclose(np.abs(field) ** 2 if coherent else field, level, rtol=1e-9)
        here = materials(scene)._replace(scattering_coefficient=scene.scattering_coefficient)
        for name in NAMES:
            slopes = np.zeros((5, 3), paths.value.dtype)
            np.add.at(slopes, table.link, engine.by_object(paths.by_path[name], name)[0])
            if coherent:
                slopes = 2.0 * (np.conj(field)[:, None] * slopes).real
            expected = own.jacobian(own.derivative(here, name), name).toarray()
            scale = max(np.abs(expected).max(), 1e-30)
            np.testing.assert_allclose(slopes, expected, atol=1e-9 * scale)


def levels_of_sionna(
    scene: SceneModel, tx: FloatArray, rx: FloatArray, radio: RadioConfig, seeds: range
) -> tuple[FloatArray, FloatArray]:
    """Powers [W] of diffracted and of scattered paths, [seeds, N] each, by Sionna's solver with
    both mechanisms on; of scattered ones those that replay has."""
    from vlmrt_dist.paths import LiveScene, dr, rt

    of = rt.InteractionType
    live = LiveScene(scene, radio.replace(samples_per_src=1_000_000))
    live.place(tx, rx)
    bent, scattered = [], []
    for seed in seeds:
        with dr.suspend_grad():
            paths = rt.PathSolver(deterministic=True)(
                live.scene, max_depth=radio.max_depth, samples_per_src=1_000_000, seed=seed,
                max_num_paths_per_src=8_000_003, diffuse_reflection=True, diffraction=True,
            )  # fmt: skip
        real, imaginary = (np.asarray(x.numpy(), float)[:, 0, 0, 0] for x in paths.a)
        power = (real**2 + imaginary**2) * radio.tx_power
        kind = np.asarray(paths.interactions.numpy())[:, :, 0]  # [D, N, P]
        diffuse = kind == int(of.DIFFUSE)
        last = np.where(kind != 0, np.arange(1, len(kind) + 1)[:, None, None], 0).max(axis=0)
        once = (diffuse.sum(axis=0) == 1) & (diffuse.argmax(axis=0) + 1 == last)
        scattered.append((power * once).sum(axis=1))
        bent.append((power * (kind == int(of.DIFFRACTION)).any(axis=0)).sum(axis=1))
    return np.array(bent), np.array(scattered)


@pytest.mark.slow
def test_both_mechanisms_are_those_of_sionna() -> None:
    """A building and a wall in free space: receivers in its shadow, beside and above it."""
    building = block("building", (0, 0, 0), (10, 10, 10))
    wall = block("wall", (-14, -30, 0), (-12, 30, 9), conductivity=0.03, thickness=0.1)
    scene = rough(scene_of(building, wall), 0.6, 0.15)
    radio = RADIO.replace(max_depth=1, scattering_points=8000)
    campaign = Campaign(TX[None], RX[None, :4])
    bent, scattered = levels_of_sionna(scene, TX, RX[:4], radio, range(1, 4))
    table = trace(scene, campaign, radio)
    rows = table.rows(diffracted(table))
    there = materials(scene)._replace(scattering_coefficient=scene.scattering_coefficient)
    engine = Replay(rows, radio, roughness=Roughness(rows, np.zeros(2)))
    own = engine.rss(there).ravel()
    assert (own > 0.0).sum() >= 3
    smooth = Replay(rows, radio).rss(materials(scene)).ravel()
    assert (watts_to_dbm(smooth) - watts_to_dbm(own)).max() > 1.0  # faces that scatter tell
    np.testing.assert_allclose(watts_to_dbm(own), watts_to_dbm(bent.mean(axis=0)), atol=0.05)
    [mechanism] = mechanisms_of(scene, campaign, radio)
    one = there._replace(**{name: x[None] for name, x in there._asdict().items() if x is not None})
    found = mechanism.added(one, (), coherent=False).value.ravel()
    spread = 4.34 * scattered.std(axis=0, ddof=1) / scattered.mean(axis=0) / np.sqrt(3.0)
    difference = watts_to_dbm(found) - watts_to_dbm(scattered.mean(axis=0))
    assert (np.abs(difference) < 0.1 + 4.0 * spread).all(), (difference, spread)
    whole = replay_of(scene, campaign, radio, table).rss(there).ravel()
    assert (whole > own + found - 1e-30).all()


@pytest.mark.slow
@pytest.mark.parametrize(("combining", "share"), [("power", 0.0), ("coherent", 0.4)])
def test_retrace_with_edges_is_the_reference(combining: Any, share: float) -> None:
    """Levels and their derivatives by each conductivity: Sionna differentiates through coefficients
    of edges as through those of reflections. At depth one its amplitudes depend on nothing else."""
    scene = rough(wall_and_building(), share)
    radio = RADIO.replace(
        combining=combining, max_depth=1, diffuse_reflection=share > 0.0, samples_per_src=300_000,
        scattering_points=8000,
    )  # fmt: skip
    campaign, none = Campaign(TX[None], RX[None, :4]), np.ones((1, 1, 4))
    table = trace(scene, campaign, radio)
    replayed = ReplayObjective(scene, campaign, radio, table, none)
    solved = RetraceObjective(scene, campaign, radio, none)
    sigma = scene.conductivity(radio.frequency)
    rss, jacobian = replayed.log_jacobian(sigma)
    again, slopes = solved.log_jacobian(sigma)
    level = 1e-3 if share == 0.0 else 0.02  # dB; what is scattered is sampled
    np.testing.assert_allclose(watts_to_dbm(rss), watts_to_dbm(again), atol=level)
    slope = 5e-4 if share == 0.0 else 5e-3  # dB for a change by a factor of e
    np.testing.assert_allclose(jacobian.toarray(), slopes.toarray(), atol=slope)
    bent = np.unique(table.receiver[diffracted(table)])
    assert len(bent) >= 3
    assert (np.abs(jacobian.toarray()[bent, 0]) > 1e-5).all()  # by what the building's edges do
