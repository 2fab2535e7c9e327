from collections import defaultdict

import numpy as np
import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.field import simulate
from vlmrt_dist.report.viewer.links import PATHS_OF_LINK, LinkView, view_links
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=2)


@pytest.fixture(scope="module")
def measured(room: SceneModel, campaign: Campaign) -> Campaign:
    level = simulate(room, campaign, radio=RADIO).rss_dbm
    assert level is not None
    offset = np.linspace(-3.0, 3.0, level.size).reshape(level.shape)
    return campaign.with_rss(level + offset)


@pytest.fixture(scope="module")
def links(room: SceneModel, measured: Campaign) -> LinkView:
    return view_links(room, measured, RADIO, None)


def test_the_powers_of_a_links_paths_add_up_to_its_level(links: LinkView) -> None:
    assert links.num_paths.max() <= PATHS_OF_LINK  # so that all of them are there
    power = np.bincount(links.paths.link, 10.0 ** (links.paths.power_dbm / 10.0))
    np.testing.assert_allclose(10.0 * np.log10(power), links.replayed_dbm.ravel(), atol=1e-9)
    for link in range(links.num_paths.size):
        own = links.paths.power_dbm[links.paths.link == link]
        assert (np.diff(own) <= 0.0).all()


def test_residuals_are_measured_minus_replayed(links: LinkView) -> None:
    np.testing.assert_allclose(links.residual_db.ravel(), np.linspace(-3.0, 3.0, 24), atol=1e-9)


def test_an_object_has_the_residual_of_the_links_that_meet_it(
    room: SceneModel, links: LinkView
) -> None:
    rows = links.paths
    power = 10.0 ** (rows.power_dbm / 10.0)
    total = np.bincount(rows.link, power)
    square: dict[int, float] = defaultdict(float)
    weight: dict[int, float] = defaultdict(float)
    for p in range(len(power)):
        met = {int(k) for k, kind in zip(rows.object[p], rows.kind[p], strict=True) if kind}
        for k in met:
            share = power[p] / total[rows.link[p]]
            square[k] += share * links.residual_db.ravel()[rows.link[p]] ** 2
            weight[k] += share
    assert links.met_db is not None
    for k in range(room.num_objects):
        expected = np.sqrt(square[k] / weight[k]) if k in weight else np.nan
        assert links.met_db[k] == pytest.approx(expected, nan_ok=True)


def test_receivers_of_a_padded_campaign_keep_their_paths(
    room: SceneModel, campaign: Campaign
) -> None:
    present = np.ones((3, 8), bool)
    present[1, [0, 3]] = False
    rx = np.where(present[..., None], campaign.rx, np.nan)
    padded = Campaign(campaign.tx, rx, present=present)
    found = view_links(room, padded, RADIO, None)
    setup, receiver = found.paths.link // 8, found.paths.link % 8
    assert present[setup, receiver].all()
    np.testing.assert_array_equal(found.paths.points[:, -1], rx[setup, receiver])
    assert found.met_db is None
