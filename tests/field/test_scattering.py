"""Tests of diffuse scattering against quadrature, Sionna's path solver and differences."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.numerics import materials
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Antenna
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import UnsupportedByReplay
from vlmrt_dist.field import (
    Materials,
    Parameter,
    ReplayObjective,
    RetraceObjective,
    scattering_error,
    trace,
)
from vlmrt_dist.field.replays import mechanisms_of, replay_of
from vlmrt_dist.field.scattering import Scattering
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.scene.scattering_pattern import ScatteringPattern
from vlmrt_dist.scene.simple_shapes import rectangle
from vlmrt_dist.units import watts_to_dbm

RADIO = RadioConfig(max_depth=1, diffuse_reflection=True)
TX = np.array([-1.0, 0.5, 1.5])
RX = np.array([[1.5, -0.3, 1.0], [0.4, 1.2, 2.5], [-2.0, -2.0, 0.7]])
NAMES: tuple[Parameter, ...] = (
    "conductivity", "relative_permittivity", "thickness", "scattering_coefficient",
    "xpd_coefficient",
)  # fmt: skip


def rough(scene: SceneModel, share: float = 0.3, xpd: float = 0.1, **more: Any) -> SceneModel:
    objects = tuple(
        dataclasses.replace(o, scattering_coefficient=share, xpd_coefficient=xpd, **more)
        for o in scene.objects
    )
    return dataclasses.replace(scene, objects=objects)


def plate(half: float = 3.0) -> SceneModel:
    side = np.full(2, half)
    item = rectangle("plate", "concrete", 2, 0.0, -side, side)
    return SceneModel("plate", (item,), np.array([[-5.0, -5.0, -1.0], [5.0, 5.0, 5.0]]))


def diffuse(scene: SceneModel, campaign: Campaign, radio: RadioConfig) -> FloatArray:
    """[M, N] scattered powers [W]."""
    found = scattering(scene, campaign, radio).added(own(scene, radio), (), coherent=False)
    return found.value.reshape(campaign.present.shape)


def scattering(scene: SceneModel, campaign: Campaign, radio: RadioConfig) -> Scattering:
    [mechanism] = mechanisms_of(scene, campaign, radio)
    assert isinstance(mechanism, Scattering)
    return mechanism


def own(scene: SceneModel, radio: RadioConfig) -> Materials:
    at = radio.frequency
    return Materials(
        scene.conductivity(at)[None], scene.relative_permittivity(at)[None], scene.thickness[None]
    )


def of_sionna(
    scene: SceneModel, radio: RadioConfig, campaign: Campaign, samples: int, **solver: Any
) -> dict[str, FloatArray]:
    """[N] powers [W] of the first setup by kinds of interactions, as in "TD"."""
    from vlmrt_dist.paths import LiveScene, dr, rt

    live = LiveScene(scene, radio)
    live.place(campaign.tx[0], campaign.rx[0])
    with dr.suspend_grad():
        paths = rt.PathSolver()(
            live.scene, max_depth=radio.max_depth, max_num_paths_per_src=8_000_000,
            samples_per_src=samples, los=False, diffuse_reflection=True, **solver,
        )  # fmt: skip
    real, imaginary = (np.asarray(x.numpy(), float)[:, 0, 0, 0] for x in paths.a)
    power = (real**2 + imaginary**2) * radio.tx_power
    of = rt.InteractionType
    letter = {int(of.SPECULAR): "S", int(of.DIFFUSE): "D", int(of.REFRACTION): "T"}
    met = np.asarray(paths.interactions.numpy())[:, :, 0]
    words = np.array(["".join(letter.get(int(k), "") for k in each) for each in
                      met.reshape(len(met), -1).T]).reshape(power.shape)  # fmt: skip
    return {str(word): (power * (words == word)).sum(axis=1) for word in np.unique(words)}


def test_a_plate_scatters_what_quadrature_says() -> None:
    """Sums of an independent formula over a fine grid, with normal slab coefficients of Sionna."""
    from vlmrt_dist.paths import rt

    scene, campaign = rough(plate(), 0.4, 0.0), Campaign(TX[None], RX[None])
    radio = RADIO.replace(scattering_points=8000, polarization="H")
    found = diffuse(scene, campaign, radio)[0]
    edge = np.linspace(-3.0, 3.0, 601)
    middle = 0.5 * (edge[1:] + edge[:-1])
    x, y = (a.ravel() for a in np.meshgrid(middle, middle))
    way = np.stack([x, y, np.zeros_like(x)], 1) - TX
    far = np.linalg.norm(way, axis=1)
    travel = way / far[:, None]
    cosine = -travel[:, 2]
    own_ = own(scene, radio)
    omega = 2.0 * np.pi * radio.frequency
    from vlmrt_dist.paths import mi

    eta = rt.utils.complex_relative_permittivity(
        mi.Float(own_.relative_permittivity[0, 0]), mi.Float(own_.conductivity[0, 0]), omega
    )
    te, _, _, _ = rt.utils.itu_coefficients_single_layer_slab(
        mi.Float(cosine), eta, mi.Float(scene.thickness[0]), mi.Float(radio.wavelength)
    )
    # A field along φ̂ is perpendicular to the plane of incidence of a level plate.
    share = np.asarray(te.real.numpy()) ** 2 + np.asarray(te.imag.numpy()) ** 2
    cell = (edge[1] - edge[0]) ** 2
    for n, receiver in enumerate(RX):
        out = receiver - np.stack([x, y, np.zeros_like(x)], 1)
        distance = np.linalg.norm(out, axis=1)
        terms = share * cosine / far**2 * out[:, 2] / distance / np.pi / distance**2
        expected = 0.4**2 * radio.tx_power * (radio.wavelength / (4.0 * np.pi)) ** 2
        expected *= terms.sum() * cell
        assert 10.0 * np.log10(found[n] / expected) == pytest.approx(0.0, abs=0.03)


CASES = [
    ("iso", "V", 0.3, ScatteringPattern()),
    ("iso", "H", 0.2, ScatteringPattern("directive", 4)),
    ("dipole", "V", 0.4, ScatteringPattern("backscattering", 3, 5, 0.6)),
    ("tr38901", "H", 0.1, ScatteringPattern()),
]


@pytest.mark.slow
@pytest.mark.parametrize(("antenna", "polarization", "xpd", "pattern"), CASES)
def test_a_plate_scatters_as_in_sionna(
    antenna: Any, polarization: Any, xpd: float, pattern: ScatteringPattern
) -> None:
    """Sionna's rays leave on a lattice; without other interactions each of them scatters."""
    scene = rough(plate(), 0.4, xpd, scattering_pattern=pattern)
    campaign = Campaign(TX[None], RX[None])
    radio = RADIO.replace(
        antenna_pattern=antenna, polarization=polarization, scattering_points=16000
    )
    solver = {"specular_reflection": False, "refraction": False}
    solves = [
        of_sionna(scene, radio, campaign, samples, **solver)["D"]
        for samples in (400_009, 500_009, 600_011)
    ]
    level = watts_to_dbm(np.array(solves))
    assert level.std(axis=0, ddof=1).max() < 0.02
    found = watts_to_dbm(diffuse(scene, campaign, radio)[0])
    np.testing.assert_allclose(found, level.mean(axis=0), atol=0.05)


@pytest.mark.slow
def test_the_room_scatters_as_in_sionna() -> None:
    """Paths of one interaction, each ray scattering; and of three, by what comes before."""
    scene = rough(box_room())
    campaign = random_campaign(scene, 1, 8, seed=0)
    radio = RADIO.replace(scattering_points=8000)
    solver = {"specular_reflection": False, "refraction": False}
    solves = [of_sionna(scene, radio, campaign, n, **solver)["D"] for n in (500_009, 700_001)]
    level = watts_to_dbm(np.array(solves))
    assert np.abs(np.diff(level, axis=0)).max() < 0.05
    found = watts_to_dbm(diffuse(scene, campaign, radio)[0])
    np.testing.assert_allclose(found, level.mean(axis=0), atol=0.1)
    deep = radio.replace(max_depth=3)
    by_word = [of_sionna(scene, deep, campaign, 200_003, seed=seed) for seed in range(1, 4)]
    once = [{w: p for w, p in each.items() if w.find("D") == len(w) - 1} for each in by_word]
    every = np.array([np.sum(list(each.values()), axis=0) for each in once])
    mean = every.mean(axis=0)
    spread = 4.34 * every.std(axis=0, ddof=1) / mean / np.sqrt(3.0)
    found = watts_to_dbm(diffuse(scene, campaign, deep)[0])
    assert np.median(spread) < 0.15
    difference = np.abs(found - watts_to_dbm(mean))
    assert (difference < 0.1 + 4.0 * spread).all()
    assert np.median(difference) < 0.15
    # What Sionna scatters several times, which replay leaves out.
    several = [p for each in by_word for word, p in each.items() if word.count("D") > 1]
    assert np.max(np.sum(several, axis=0) / every.sum(axis=0)) < 0.02


@pytest.mark.slow
def test_the_canyon_scatters_as_in_sionna() -> None:
    scene = rough(load_scene(bundled_scene("simple_street_canyon")))
    places = np.array([[10.0, 5.0, 1.5], [20.0, 0.0, 1.5], [45.0, -5.0, 1.5], [-20.0, 3.0, 1.5]])
    campaign = Campaign(np.array([[-33.0, 11.0, 32.0]]), places[None])
    radio = RADIO.replace(scattering_points=8000)
    solver = {"specular_reflection": False, "refraction": False}
    solves = [of_sionna(scene, radio, campaign, n, **solver)["D"] for n in (1_000_003, 1_200_007)]
    level = watts_to_dbm(np.array(solves))
    assert np.abs(np.diff(level, axis=0)).max() < 0.05
    found = watts_to_dbm(diffuse(scene, campaign, radio)[0])
    np.testing.assert_allclose(found, level.mean(axis=0), atol=0.1)
    # Through a building, from its roof to the street beside it.
    deep = radio.replace(max_depth=3)
    hidden = Campaign(campaign.tx, campaign.rx[:, 3:])
    through = [
        of_sionna(scene, deep, hidden, 1_000_003, seed=s, specular_reflection=False)["TTD"]
        for s in (1, 2, 3)
    ]
    deeper = diffuse(scene, hidden, deep) - diffuse(scene, hidden, deep.replace(max_depth=1))
    assert 10.0 * np.log10(deeper / np.mean(through)) == pytest.approx(0.0, abs=0.4)


def test_the_estimate_converges() -> None:
    """Four times the points: a third of the error, at least (it falls about as their inverse)."""
    scene, campaign = rough(plate(), 0.4), Campaign(TX[None], RX[None])
    reference = diffuse(scene, campaign, RADIO.replace(scattering_points=20_000))
    error = []
    for count in (200, 800, 3200):
        runs = [
            diffuse(scene, campaign, RADIO.replace(scattering_points=count, seed=seed))
            for seed in range(4)
        ]
        error.append(np.sqrt(np.mean((np.array(runs) / reference - 1.0) ** 2)))
    assert error[1] < error[0] / 2.0
    assert error[2] < error[1] / 2.0
    assert error[2] < 0.01


def test_the_stated_error_is_that_of_many_seeds() -> None:
    scene = rough(box_room(), 0.5)
    campaign = random_campaign(scene, 2, 8, seed=6)
    radio = RADIO.replace(scattering_points=100)
    here = own(scene, radio)
    found = scattering_error(scene, campaign, radio, {radio.frequency: here})
    table = trace(scene, campaign, radio)
    levels = [
        watts_to_dbm(replay_of(scene, campaign, radio.replace(seed=seed), table).rss(here)[0])
        for seed in range(10, 16)
    ]
    spread = np.std(levels, axis=0, ddof=1)
    expected = np.sqrt((spread**2).mean())
    assert found.num_links == 16
    assert expected / 2.0 < found.rms_db < 2.0 * expected
    assert found.worst_db >= found.rms_db


@pytest.mark.parametrize("xpd", [0.0, 0.3, 1.0])
def test_what_is_scattered_is_what_is_not_reflected(xpd: float) -> None:
    """All directions and polarizations together carry S² of what the plate would reflect."""
    share, half, far = 0.6, 0.02, 50.0
    scene = rough(plate(half), share, xpd)
    z = (np.arange(400) + 0.5) / 400
    turn = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(400)
    flat = np.sqrt(1.0 - z**2)
    around = far * np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)
    campaign = Campaign(np.array([[0.0, 0.0, 3.0]]), around[None])
    total = 0.0
    mechanism = scattering(scene, campaign, RADIO.replace(scattering_points=40))
    own_ = own(scene, RADIO)
    # Both polarizations: K_x and 1 - K_x of one antenna.
    for each in (xpd, 1.0 - xpd):
        here = own_._replace(xpd_coefficient=np.array([[each]]))
        power = mechanism.added(here, (), coherent=False).value
        total += power.mean() * 2.0 * np.pi * far**2
    area = (RADIO.wavelength / (4.0 * np.pi)) ** 2 * 4.0 * np.pi  # of the receivers' antennas
    incident = RADIO.tx_power / (4.0 * np.pi * 9.0) * (2.0 * half) ** 2
    reflected = abs(normal_reflection(own_, scene.thickness[0], RADIO)) ** 2
    assert total / area == pytest.approx(share**2 * reflected * incident, rel=0.01)


def normal_reflection(materials: Materials, thickness: float, radio: RadioConfig) -> complex:
    """Amplitude that a slab reflects at normal incidence."""
    omega_eps = 2.0 * np.pi * radio.frequency * 8.8541878128e-12
    eta = materials.relative_permittivity[0, 0] - 1j * materials.conductivity[0, 0] / omega_eps
    root = np.sqrt(eta)
    r = (1.0 - root) / (1.0 + root)
    turn = np.exp(-2j * 2.0 * np.pi / radio.wavelength * thickness * root)
    return complex(r * (1.0 - turn) / (1.0 - r**2 * turn))


@pytest.mark.parametrize("combining", ["power", "coherent"])
@pytest.mark.parametrize("antenna", ["iso", "dipole"])
def test_derivatives_are_differences(combining: Any, antenna: Any) -> None:
    scene = rough(box_room())
    campaign = random_campaign(scene, 1, 3, seed=2)
    radio = RadioConfig(
        max_depth=2, diffuse_reflection=True, scattering_points=60, combining=combining,
        antenna_pattern=antenna,
    )  # fmt: skip
    engine = replay_of(scene, campaign, radio, trace(scene, campaign, radio))
    rng = np.random.default_rng(0)
    here = materials(scene)._replace(
        scattering_coefficient=rng.uniform(0.2, 0.8, 9), xpd_coefficient=rng.uniform(0.1, 0.9, 9)
    )
    derivatives = engine.derivatives(here, NAMES)
    _, slopes = engine.slopes(here, NAMES)
    for name in NAMES:
        value = getattr(here, name)
        step = 1e-4 * value
        around = [value + k * step * np.eye(9) for k in (-2, -1, 1, 2)]
        rss = engine.rss(here._replace(**{name: np.concatenate(around)})).reshape(4, 9, -1)
        expected = (rss[0] - 8.0 * rss[1] + 8.0 * rss[2] - rss[3]) / (12.0 * step[:, None])
        found = engine.jacobian(derivatives[name], name).toarray().T
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
        dense = np.zeros_like(found)
        np.add.at(dense, (slopes[name].slab, slopes[name].link), slopes[name].value[:, 0])
        np.testing.assert_allclose(dense, found, atol=1e-12 * np.abs(found).max())
    weight = rng.normal(size=(1, 1, 3))
    gradient = engine.gradient(derivatives["conductivity"], weight)[0, 0]
    expected = engine.jacobian(derivatives["conductivity"]).toarray().T @ weight.ravel()
    np.testing.assert_allclose(gradient, expected, rtol=1e-9)


def test_setups_keep_their_bits_alone_and_together() -> None:
    scene = rough(box_room())
    campaign = random_campaign(scene, 3, 4, seed=1)
    radio = RadioConfig(max_depth=2, diffuse_reflection=True, scattering_points=100)
    whole = diffuse(scene, campaign, radio)
    for m in range(3):
        alone = diffuse(scene, campaign.subset([m]), radio)
        np.testing.assert_allclose(alone[0], whole[m], rtol=1e-13)
    again = diffuse(scene, campaign, radio)
    np.testing.assert_array_equal(again, whole)
    assert not np.array_equal(diffuse(scene, campaign, radio.replace(seed=9)), whole)


def test_smooth_surfaces_scatter_nothing() -> None:
    scene, campaign = rough(box_room(), 0.0), random_campaign(box_room(), 1, 4, seed=1)
    radio = RadioConfig(max_depth=2, diffuse_reflection=True, scattering_points=50)
    table = trace(scene, campaign, radio)
    smooth = ReplayObjective(scene, campaign, radio.replace(diffuse_reflection=False), table,
                             np.ones((1, 1, 4)))  # fmt: skip
    objective = ReplayObjective(scene, campaign, radio, table, np.ones((1, 1, 4)))
    theta = scene.conductivity(radio.frequency)[None]
    np.testing.assert_array_equal(objective.rss(theta), smooth.rss(theta))


def test_padded_receivers_scatter_nothing() -> None:
    scene, campaign = rough(box_room()), random_campaign(box_room(), 2, 3, seed=1)
    present = np.array([[True, False, True], [True, True, True]])
    radio = RadioConfig(max_depth=1, diffuse_reflection=True, scattering_points=100)
    ragged = diffuse(scene, dataclasses.replace(campaign, present=present), radio)
    assert ragged[0, 1] == 0.0
    assert (ragged[present] > 0.0).all()
    np.testing.assert_allclose(ragged[1], diffuse(scene, campaign, radio)[1], rtol=1e-13)


@pytest.mark.slow
def test_retrace_is_the_reference() -> None:
    scene = rough(box_room(), 0.5)
    campaign = random_campaign(scene, 1, 6, seed=3)
    radio = RadioConfig(max_depth=2, diffuse_reflection=True, samples_per_src=100_000)
    theta, none = scene.conductivity(radio.frequency)[None], np.ones((1, 1, 6))
    exact = ReplayObjective(scene, campaign, radio, trace(scene, campaign, radio), none)
    solved = RetraceObjective(scene, campaign, radio, none)
    level = watts_to_dbm(exact.rss(theta)) - watts_to_dbm(solved.rss(theta))
    assert np.abs(level).max() < 0.3
    one, other = exact.value_and_grad(theta).gradient, solved.value_and_grad(theta).gradient
    np.testing.assert_allclose(one, other, atol=0.05 * np.abs(one).max())


def test_stated_antennas_like_the_default_ones_change_nothing() -> None:
    scene, campaign = rough(box_room()), random_campaign(box_room(), 2, 3, seed=1)
    radio = RADIO.replace(antenna_pattern="dipole", polarization="H", scattering_points=100)
    stated = campaign.with_antennas(tx=Antenna("dipole", "H"), rx=Antenna("dipole", "H"))
    found = diffuse(scene, stated, radio.replace(antenna_pattern="iso", polarization="V"))
    np.testing.assert_array_equal(found, diffuse(scene, campaign, radio))
    louder = campaign.with_antennas(
        tx=Antenna("dipole", "H", power_dbm=radio.tx_power_dbm + 3.0), rx=Antenna("dipole", "H")
    )
    np.testing.assert_allclose(diffuse(scene, louder, radio), found * 10.0**0.3, rtol=1e-12)


@pytest.mark.slow
def test_turned_antennas_scatter_as_in_sionna() -> None:
    """A slanted sector that looks down and aside; each of Sionna's rays scatters."""
    from vlmrt_dist.paths import LiveScene, dr, place_devices, rt

    scene = rough(plate(), 0.4, 0.15)
    tx = Antenna("tr38901", (0.6,), orientation=(0.7, 0.9, 0.2))
    rx = Antenna("hw_dipole", "H", orientation=(-0.4, 0.5, 0.3))
    campaign = Campaign(TX[None], RX[None]).with_antennas(tx=tx, rx=rx)
    radio = RADIO.replace(scattering_points=4000)
    live = LiveScene(scene, radio)
    place_devices(live.scene, campaign, radio)
    solves = []
    for samples in (400_009, 500_009):
        with dr.suspend_grad():
            paths = rt.PathSolver()(
                live.scene, max_depth=1, max_num_paths_per_src=8_000_000, samples_per_src=samples,
                los=False, diffuse_reflection=True, specular_reflection=False, refraction=False,
            )  # fmt: skip
        real, imaginary = (np.asarray(x.numpy(), float)[:, 0, 0, 0] for x in paths.a)
        solves.append((real**2 + imaginary**2).sum(axis=1) * radio.tx_power)
    level = watts_to_dbm(np.array(solves))
    assert np.abs(np.diff(level, axis=0)).max() < 0.05
    found = watts_to_dbm(diffuse(scene, campaign, radio)[0])
    np.testing.assert_allclose(found, level.mean(axis=0), atol=0.1)


def test_averages_over_ports_are_refused() -> None:
    scene, campaign = rough(box_room()), random_campaign(box_room(), 1, 2, seed=1)
    dual = campaign.with_antennas(tx=Antenna(polarization="VH"), average="power")
    with pytest.raises(UnsupportedByReplay, match=r"averages over ports.*split=True"):
        mechanisms_of(scene, dual, RADIO)
    with pytest.raises(UnsupportedByReplay, match=r"averages over ports"):
        trace(scene, dual, RADIO)
