"""Pairs of ports from shared transfer matrices, averages of ports, impulse responses."""

from typing import Any

import numpy as np
import pytest

from tests.numerics import materials
from tests.paths.test_antenna_fields import RADIO, smooth_table, solved
from vlmrt_dist.campaign.antenna import Antenna, planar_array
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.field import Replay, trace
from vlmrt_dist.field.materials import Parameter
from vlmrt_dist.paths.path_table import PathTable, concatenate_setups
from vlmrt_dist.paths.sionna_scene import LiveScene
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room

DUAL = Antenna("tr38901", "cross", (0.4, 0.2, -0.3))
ARRAY = Antenna("dipole", "VH", (1.0, -0.2, 0.5), elements=planar_array(2, 1))


@pytest.fixture(scope="module")
def room() -> SceneModel:
    return box_room(4)


@pytest.fixture(scope="module")
def campaign(room: SceneModel) -> Campaign:
    return random_campaign(room, 2, 3, seed=5)


def split(room: SceneModel, campaign: Campaign, tx: Antenna = DUAL) -> PathTable:
    return trace(room, campaign.with_antennas(tx, ARRAY, split=True), RADIO, cache=False)


@pytest.mark.parametrize("combining", ["power", "coherent"])
@pytest.mark.parametrize("unknown", ["conductivity", "thickness"])
def test_shared_matrices_give_what_each_path_alone_gives(
    room: SceneModel, campaign: Campaign, combining: Any, unknown: Parameter
) -> None:
    table, radio = split(room, campaign), RADIO.replace(combining=combining)
    alone = Replay(PathTable(**{**vars(table), "ports": None}), radio)
    shared = Replay(table, radio)
    assert shared._lane_paths * 8 == alone._lane_paths == table.num_paths
    here = materials(room, radio.frequency)
    pair = alone.derivative(here, unknown), shared.derivative(here, unknown)
    for one, other in zip(*((each.rss, each.by_path) for each in pair), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12 * np.abs(one).max())


def test_the_same_bits_for_any_split(room: SceneModel, campaign: Campaign) -> None:
    table = split(room, campaign)
    here = materials(room, RADIO.frequency)
    whole = Replay(table, RADIO)
    parts = [[0, 1, 2], [3]]
    rss = np.concatenate([Replay(table.setups(part), RADIO).rss(here)[0] for part in parts])
    np.testing.assert_array_equal(rss, whole.rss(here)[0])
    assert concatenate_setups([table.setups(part) for part in parts]).ports is not None
    many = materials(room, RADIO.frequency, conductivity=np.outer([1.0, 1.1], here.conductivity))
    np.testing.assert_array_equal(whole.rss(many)[0], whole.rss(here)[0])


@pytest.mark.parametrize("combining", ["power", "coherent"])
@pytest.mark.parametrize("average", ["db", "power"])
def test_averages_over_ports(
    room: SceneModel, campaign: Campaign, combining: Any, average: Any
) -> None:
    radio, here = RADIO.replace(combining=combining), materials(room, RADIO.frequency)
    together = campaign.with_antennas(DUAL, ARRAY, average=average)
    engine = Replay(trace(room, together, radio, cache=False), radio)
    pairs = Replay(split(room, campaign), radio).rss(here)[0].reshape(2, 2, 3, 4)
    pairs = pairs.transpose(0, 2, 1, 3).reshape(2, 3, 8)
    expected = np.exp(np.log(pairs).mean(2)) if average == "db" else pairs.mean(2)
    np.testing.assert_allclose(engine.rss(here)[0], expected, rtol=1e-12)
    exact = engine.jacobian(engine.derivative(here)).toarray()
    for k in range(0, room.num_objects, 3):
        step = 1e-4 * here.conductivity[k] * np.eye(room.num_objects)[k]
        up, down = (
            engine.rss(here._replace(conductivity=here.conductivity + s))[0] for s in (step, -step)
        )
        difference = (up - down).ravel() / (2.0 * step[k])
        np.testing.assert_allclose(
            exact[:, k], difference, rtol=1e-5, atol=1e-6 * np.abs(exact).max()
        )


def test_a_pair_that_hears_nothing_has_no_mean_level(room: SceneModel) -> None:
    """Of a line of sight, vertical and horizontal are orthogonal."""
    radio = RADIO.replace(max_depth=0)
    link = Campaign(np.array([[0.0, 0.0, 1.5]]), np.array([[[1.0, 0.5, 1.5]]]))
    here = materials(room, radio.frequency)
    dual = Antenna(polarization="VH")
    cases: tuple[tuple[Any, float], ...] = (("power", 0.5), ("db", 0.0))
    for average, ratio in cases:
        both = link.with_antennas(dual, dual, average=average)
        rss = Replay(trace(room, both, radio, cache=False), radio).rss(here)
        alone = Replay(trace(room, link, radio, cache=False), radio).rss(here)
        np.testing.assert_allclose(rss, ratio * alone, rtol=1e-12)


def test_complex_fields_enter_as_their_parts_do(room: SceneModel, campaign: Campaign) -> None:
    """Amplitudes are linear in the transmitter's field and antilinear in the receiver's."""
    table = smooth_table(polarimetric=True)
    turned = type(table)(table.theta, table.phi, table.field * np.exp(0.7j))
    here = materials(room, RADIO.frequency)

    def amplitude(tx: Any, rx: Any) -> np.ndarray:
        links = campaign.with_antennas(Antenna(tx), Antenna(rx))
        engine = Replay(trace(room, links, RADIO, cache=False), RADIO)
        real, imaginary = engine._columns(engine._rows(here), (), True, None)[:2]
        return real + 1j * imaginary

    plain = amplitude(table, table)
    np.testing.assert_allclose(amplitude(turned, table), plain * np.exp(0.7j), rtol=1e-9)
    np.testing.assert_allclose(amplitude(table, turned), plain * np.exp(-0.7j), rtol=1e-9)


def test_impulse_and_frequency_response_are_sionnas(room: SceneModel) -> None:
    campaign = random_campaign(room, 1, 2, seed=3)
    live = LiveScene(room, RADIO)
    antenna: dict[str, Any] = {"pattern": "tr38901", "polarization": "VH"}
    angles = np.random.default_rng(2).uniform(-1.0, 1.0, (3, 3))
    paths = solved(live, campaign, antenna, angles, 1)
    offsets = np.linspace(-50e6, 50e6, 16)
    theirs, delays = paths.cir(normalize_delays=False, out_type="numpy")
    theirs, response = (
        theirs[..., 0],
        paths.cfr(frequencies=offsets.astype(np.float32), normalize_delays=False, out_type="numpy")[
            ..., 0, :
        ],
    )
    tx, *rx = (Antenna(**antenna, orientation=tuple(a)) for a in angles)
    links = campaign.with_antennas(tx, rx, split=True)
    table = trace(room, links, RADIO, cache=False)
    engine = Replay(table, RADIO.replace(tx_power_dbm=30.0))
    columns = engine._columns(engine._rows(materials(room, RADIO.frequency)), (), True, None)
    baseband = ((columns[0] + 1j * columns[1]) * engine._phase)[:, 0]
    delay = table.length / 299_792_458.0
    for n in range(2):
        for t in range(2):
            for r in range(2):
                rows = np.flatnonzero((table.setup == t) & (table.receiver == 2 * n + r))
                rows = rows[np.argsort(delay[rows])]
                mine = baseband[rows]
                order = np.argsort(delays[n, 0])[-len(rows) :]
                expected = theirs[n, r, 0, t][order]
                size = np.abs(expected).max()
                # At 3.5 GHz float32's delays leave phases of some 1e-3.
                assert np.abs(mine - expected).max() < 5e-3 * size
                ours = (mine[:, None] * np.exp(-2j * np.pi * delay[rows][:, None] * offsets)).sum(0)
                assert np.abs(ours - response[n, r, 0, t]).max() < 5e-3 * np.abs(ours).max()
