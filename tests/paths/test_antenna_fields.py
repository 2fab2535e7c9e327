"""Fields of turned antennas: against Sionna's solver, and their derivatives against differences."""

from typing import Any

import numpy as np
import pytest

from tests.numerics import materials
from vlmrt_dist.campaign.antenna import Antenna, planar_array
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.pattern_table import PatternTable
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.field import Replay, trace
from vlmrt_dist.paths.antenna_fields import AntennaFields, geometry_of
from vlmrt_dist.paths.poses import Poses
from vlmrt_dist.paths.sionna_scene import LiveScene, mi, rt
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.units import SPEED_OF_LIGHT

RADIO = RadioConfig(max_depth=2, combining="coherent")
PATTERNS = ("iso", "dipole", "hw_dipole", "tr38901")


def smooth_table(polarimetric: bool = False) -> PatternTable:
    """A table of a smooth pattern without symmetry."""
    theta, phi = np.linspace(0.0, np.pi, 37), np.linspace(-np.pi, np.pi, 72, endpoint=False)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    x, y, z = np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)
    size = 0.8 + 0.3 * x + 0.2 * y - 0.1 * z * x
    if not polarimetric:
        return PatternTable(theta, phi, size)
    return PatternTable(theta, phi, np.stack([size, 0.4j * size + 0.2 * y], axis=2))


@pytest.fixture(scope="module")
def room() -> SceneModel:
    return box_room(4)


@pytest.fixture(scope="module")
def campaign(room: SceneModel) -> Campaign:
    return random_campaign(room, 1, 2, seed=3)


@pytest.fixture(scope="module")
def live(room: SceneModel) -> LiveScene:
    return LiveScene(room, RADIO)


def solved(
    live: LiveScene, campaign: Campaign, antenna: dict[str, Any], angles: np.ndarray, size: int
) -> rt.Paths:
    """Sionna's paths of the first setup; ``angles`` [3, 3] of transmitter and two receivers."""
    array = rt.PlanarArray(num_rows=size, num_cols=size, **antenna)
    live.scene.tx_array = live.scene.rx_array = array
    live.place(campaign.tx[0], campaign.rx[0])
    for name, angle in zip(("tx", "rx-0", "rx-1"), angles.tolist(), strict=True):
        live.scene.get(name).orientation = mi.Point3f(*angle)
    return live.solve(1)


def turned(campaign: Campaign, antenna: dict[str, Any], angles: np.ndarray, size: int) -> Campaign:
    """A link for each pair of ports."""
    elements = None if size == 1 else planar_array(size, size)
    tx, *rx = (Antenna(**antenna, orientation=tuple(a), elements=elements) for a in angles)
    return campaign.with_antennas(tx, rx, split=True)


def deviations(paths: rt.Paths, room: SceneModel, links: Campaign) -> np.ndarray:
    """[2, n] differences of all coefficients of all pairs of ports: over the root mean square of
    all of a link, and over that of each path alone."""
    real, imaginary = (np.asarray(x.numpy(), np.float64) for x in paths.a)
    theirs = real + 1j * imaginary  # [rx, rx port, tx, tx port, path]
    tau = np.asarray(paths.tau.numpy(), np.float64)[:, 0]
    valid = np.asarray(paths.valid.numpy(), bool)[:, 0]
    table = trace(room, links, RADIO, cache=False)
    engine = Replay(table, RADIO.replace(tx_power_dbm=30.0))
    here = materials(room, RADIO.frequency)
    columns = engine._columns(engine._rows(here), (), True, None)
    ours = (columns[0] + 1j * columns[1])[:, 0]
    ports = links.num_setups
    found = []
    for n in range(2):
        there = np.flatnonzero(valid[n])
        order = there[np.argsort(tau[n, there])]
        pairs = []
        for t in range(ports):
            for r in range(ports):
                rows = np.flatnonzero((table.setup == t) & (table.receiver == n * ports + r))
                rows = rows[np.argsort(table.length[rows])]
                assert len(rows) == len(order)
                np.testing.assert_allclose(
                    table.length[rows], tau[n, order] * SPEED_OF_LIGHT, atol=1e-4
                )
                pairs.append([ours[rows], theirs[n, r, 0, t, order]])
        mine, expected = np.array(pairs).transpose(1, 0, 2)
        square = np.abs(expected) ** 2
        sizes = np.sqrt(square.mean()), np.sqrt(square.mean(axis=0)) + 1e-12
        found.append([(np.abs(mine - expected) / size).ravel() for size in sizes])
    return np.concatenate(found, axis=1)


def agreement(
    live: LiveScene,
    room: SceneModel,
    campaign: Campaign,
    pattern: str,
    count: int,
    polarizations: tuple[str, ...],
    sizes: tuple[int, ...],
) -> None:
    rng = np.random.default_rng(7)
    for polarization in polarizations:
        for size in sizes:
            found = []
            for _ in range(count):
                angles = rng.uniform(-np.pi, np.pi, (3, 3)) * [1.0, 0.5, 1.0]
                antenna = {"pattern": pattern, "polarization": polarization}
                paths = solved(live, campaign, antenna, angles, size)
                found.append(deviations(paths, room, turned(campaign, antenna, angles, size)))
            of_link, of_path = np.concatenate(found, axis=1)
            # Sionna's angles have float32's precision: the median is as large without any turn.
            assert np.median(of_link) < 1e-5, (pattern, polarization, size)
            assert np.median(of_path) < 2e-5
            assert np.quantile(of_path, 0.99) < 3e-3


def test_coefficients_are_sionnas(live: LiveScene, room: SceneModel, campaign: Campaign) -> None:
    agreement(live, room, campaign, "tr38901", 1, ("cross",), (2,))


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("polarization", ["V", "cross", "VH"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_coefficients_of_many_orientations_are_sionnas(
    live: LiveScene,
    room: SceneModel,
    campaign: Campaign,
    pattern: str,
    polarization: str,
    size: int,
) -> None:
    agreement(live, room, campaign, pattern, 20, (polarization,), (size,))


@pytest.mark.parametrize("receiving", [False, True])
@pytest.mark.parametrize(
    "antenna",
    [
        *({"pattern": pattern, "polarization": 0.3} for pattern in PATTERNS),
        {"pattern": "tr38901", "polarization": "cross", "port": 5},
        {"pattern": smooth_table(), "polarization": "H"},
        {"pattern": smooth_table(polarimetric=True), "port": 2},
    ],
)
def test_derivatives_by_orientation(
    room: SceneModel, campaign: Campaign, antenna: dict[str, Any], receiving: bool
) -> None:
    elements = planar_array(2, 2) if "port" in antenna else None
    own = Antenna(**antenna, orientation=(0.4, -0.3, 0.2), elements=elements)
    rx = own if receiving else Antenna()
    links = campaign.with_antennas(Antenna() if receiving else own, rx)
    fields = AntennaFields(room, links, RADIO, trace(room, links, RADIO, cache=False))
    shape = links.present.shape

    def value(change: np.ndarray) -> Any:
        turns = Poses(np.tile(change, (1, 1)), np.tile(change, (*shape, 1)))
        return (fields.rx if receiving else fields.tx)(turns)

    exact, step = value(np.zeros(3)).by_turn, 1e-5
    for axis, unit in enumerate(np.eye(3) * step):
        difference = (value(unit).value - value(-unit).value) / (2.0 * step)
        scale = np.abs(difference).max() + 1e-3
        # The sector's gain has edges, where it is cut off: they are met by no path here.
        assert np.abs(exact[axis] - difference).max() < 1e-6 * scale + 1e-9


def test_a_full_turn_changes_nothing(room: SceneModel, campaign: Campaign) -> None:
    def field(yaw: float) -> np.ndarray:
        links = campaign.with_antennas(Antenna("tr38901", "cross", (yaw, 0.2, 0.1), port=0))
        return trace(room, links, RADIO, cache=False).tx_field

    np.testing.assert_allclose(field(0.5), field(0.5 - 2.0 * np.pi), atol=1e-12)
    assert np.abs(field(0.5) - field(0.6)).max() > 0.01


def test_tables_of_sionnas_patterns_are_those_patterns(
    room: SceneModel, campaign: Campaign
) -> None:
    theta, phi = np.linspace(0.0, np.pi, 181), np.radians(np.arange(0.0, 360.0, 2.0))
    sine = np.sqrt(1.5) * np.sin(theta)
    table = PatternTable(theta, phi, np.repeat(sine[:, None], len(phi), axis=1))
    turn = (0.3, 0.5, -0.2)
    measured = campaign.with_antennas(Antenna(table, 0.4, turn))
    named = campaign.with_antennas(Antenna("dipole", 0.4, turn))
    a, b = (trace(room, links, RADIO, cache=False).tx_field for links in (measured, named))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_links_of_equal_positions_share_their_paths(room: SceneModel, campaign: Campaign) -> None:
    split = campaign.with_antennas(
        Antenna(polarization="VH"), Antenna(polarization="VH"), split=True
    )
    geometry, link = geometry_of(split)
    assert (geometry.num_setups, geometry.num_links) == (1, 2)
    assert link.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]]
    alone = trace(room, campaign, RADIO, cache=False)
    table = trace(room, split, RADIO, cache=False)
    assert table.num_paths == 4 * alone.num_paths
    assert table.ports is not None
    assert len(np.unique(table.ports.geometry)) == alone.num_paths
    assert table.certificate == alone.certificate
    assert geometry_of(campaign)[0].key == campaign.key


def test_a_transmitters_own_power(room: SceneModel, campaign: Campaign) -> None:
    here = materials(room, RADIO.frequency)
    loud = campaign.with_antennas(Antenna(power_dbm=RADIO.tx_power_dbm + 7.0))
    plain, more = (
        Replay(trace(room, c, RADIO, cache=False), RADIO).rss(here) for c in (campaign, loud)
    )
    np.testing.assert_allclose(more, plain * 10.0**0.7, rtol=1e-12)
