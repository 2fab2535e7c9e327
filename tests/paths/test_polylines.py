import numpy as np
import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.field import trace
from vlmrt_dist.paths import NONE, PathTable
from vlmrt_dist.paths.polylines import path_points
from vlmrt_dist.scene import SceneModel


def check(room: SceneModel, campaign: Campaign, table: PathTable) -> None:
    points = path_points(room, campaign.setups, table)
    np.testing.assert_array_equal(points[:, 0], campaign.tx[table.setup])
    np.testing.assert_array_equal(points[:, -1], campaign.rx[table.setup, table.receiver])
    legs = np.linalg.norm(np.diff(points, axis=1), axis=2)
    np.testing.assert_allclose(legs.sum(axis=1), table.length, rtol=1e-12)
    met = points[:, 1:-1][table.kind != NONE]
    np.testing.assert_allclose(room.distance_to_surface(met), 0.0, atol=1e-9)


def test_polylines_are_as_long_as_the_paths_and_bend_on_surfaces(
    room: SceneModel, campaign: Campaign
) -> None:
    check(room, campaign, trace(room, campaign, RadioConfig(max_depth=3)))


@pytest.mark.slow
def test_those_of_a_sampled_set_too(room: SceneModel, campaign: Campaign, table: PathTable) -> None:
    check(room, campaign, table)
