"""Levels by the positions of the devices: derivatives, and paths whose faces stay the same."""

from typing import Any

import numpy as np
import pytest

from tests.numerics import materials
from vlmrt_dist.campaign import Antenna, Campaign, RadioConfig, planar_array, random_campaign
from vlmrt_dist.errors import UnsupportedByReplay
from vlmrt_dist.field import ReplayObjective, trace
from vlmrt_dist.field.moves import MovingPaths
from vlmrt_dist.paths import Poses
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=3)
SECTOR = Antenna.in_degrees(pattern="tr38901", yaw=30.0, pitch=5.0)
TILTED = Antenna("hw_dipole", 0.2, (0.3, 0.4, 0.5))
ARRAY = SECTOR.replace(elements=planar_array(2, 1))
ELEMENT = ARRAY.replace(port=ARRAY.ports[1])


def poses_of(campaign: Campaign, change: np.ndarray) -> Poses:
    """The same changes (12, as POSE has them) of all devices."""
    m, n = campaign.present.shape
    parts = [np.tile(change[3 * i : 3 * i + 3], (m, 1) if i % 2 == 0 else (m, n, 1))
             for i in range(4)]  # fmt: skip
    return Poses(parts[0], parts[1], parts[2], parts[3])


@pytest.mark.parametrize("combining", ["power", "coherent"])
@pytest.mark.parametrize("ends", [None, (ELEMENT, TILTED)])
def test_levels_by_position(room: SceneModel, combining: Any, ends: Any) -> None:
    radio = RADIO.replace(combining=combining)
    campaign = random_campaign(room, 2, 3, seed=4)
    if ends is not None:
        campaign = campaign.with_antennas(*ends)
    campaign = campaign.with_rss(np.zeros((2, 3)))
    objective = ReplayObjective(room, campaign, radio, trace(room, campaign, radio, cache=False))
    here = {radio.frequency: materials(room, radio.frequency)}
    base = np.random.default_rng(0).normal(0.0, 0.02, 12)

    def levels(change: np.ndarray) -> Any:
        return objective.levels(here, ("conductivity",), poses_of(campaign, change))

    exact, step = levels(base).by_pose, 1e-6
    for i, unit in enumerate(np.eye(12) * step):
        up, down = (10.0 * np.log10(levels(base + s).rss).ravel() for s in (unit, -unit))
        difference = (up - down) / (2.0 * step)
        size = np.abs(exact[:, i]).max()
        assert np.abs(exact[:, i] - difference).max() < 1e-6 * size + 1e-7


def test_what_has_not_moved_has_the_levels_of_the_search(room: SceneModel) -> None:
    campaign = random_campaign(room, 2, 3, seed=4).with_rss(np.zeros((2, 3)))
    objective = ReplayObjective(room, campaign, RADIO, trace(room, campaign, RADIO, cache=False))
    here = {RADIO.frequency: materials(room, RADIO.frequency)}
    still = objective.levels(here, ("conductivity",), poses_of(campaign, np.zeros(12)))
    plain = objective.levels(here, ("conductivity",))
    np.testing.assert_allclose(still.rss, plain.rss, rtol=1e-11)
    np.testing.assert_allclose(
        still.by["conductivity"].toarray(), plain.by["conductivity"].toarray(), atol=1e-9
    )


def test_moved_paths_are_those_of_a_new_search(room: SceneModel) -> None:
    """Where no path is gained or lost; all columns, elements of arrays included."""
    campaign = random_campaign(room, 1, 2, seed=4).with_antennas(ELEMENT, TILTED)
    table = trace(room, campaign, RADIO, cache=False)
    change = np.zeros(12)
    change[6:] = 1e-4 * np.array([1.0, -2.0, 1.5, -1.0, 2.0, 0.5])
    bent = MovingPaths(room, campaign, table).at(poses_of(campaign, change))
    moved = Campaign(
        campaign.tx + change[6:9], campaign.rx + change[9:], antennas=campaign.antennas
    )
    again = trace(room, moved, RADIO, cache=False)
    assert np.array_equal(again.signature(), table.signature())
    for name in ("length", "cosine", "rotation"):
        np.testing.assert_allclose(
            getattr(bent.table, name), getattr(again, name), rtol=0, atol=1e-9
        )


def test_what_moves_is_specular_and_of_single_slabs(room: SceneModel) -> None:
    campaign = random_campaign(room, 1, 2, seed=4)
    radio = RADIO.replace(max_depth=2, diffraction=True)
    table = trace(room, campaign, radio, cache=False)
    with pytest.raises(UnsupportedByReplay, match="together with diffraction"):
        MovingPaths(room, campaign, table)
