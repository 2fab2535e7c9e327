# ruff: noqa: F401, F811  (pytest finds imported fixtures by their names)
import dataclasses

import numpy as np
import pytest
from numerics import PAPER, Array, campaign, materials, path_cache, room, table

from vlmrt_dist.errors import CampaignError, MaterialError, NoPathsError, VlmrtError
from vlmrt_dist.path_table import PathTable
from vlmrt_dist.replay import Replay
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import Campaign, paths_provenance
from vlmrt_dist.simulation import perturbed, simulate
from vlmrt_dist.units import dbm_to_watts


def levels(campaign: Campaign) -> Array:
    assert campaign.rss_dbm is not None
    return campaign.rss_dbm


def test_levels_are_those_of_the_paths(
    room: SceneModel, campaign: Campaign, table: PathTable
) -> None:
    found = simulate(room, campaign, radio=PAPER)
    np.testing.assert_allclose(
        dbm_to_watts(levels(found)), Replay(table, PAPER).rss(materials(room))[0], rtol=1e-12
    )
    assert found.simulated_from == paths_provenance(room, PAPER)
    np.testing.assert_array_equal(found.rx, campaign.rx)
    other = simulate(room, campaign, radio=PAPER, conductivity=np.full(9, 0.05))
    assert (levels(other) != levels(found)).all()


def test_noise_is_seeded_and_has_its_standard_deviation(
    room: SceneModel, campaign: Campaign
) -> None:
    clean = simulate(room, campaign, radio=PAPER)
    errors = []
    for seed in range(100):
        noisy = simulate(room, campaign.subset([0]), radio=PAPER, noise_db=0.5, seed=seed)
        errors.append(levels(noisy) - levels(clean)[:1])
        assert noisy.noise_db == 0.5
    assert np.std(errors) == pytest.approx(0.5, rel=0.1)
    assert np.mean(errors) == pytest.approx(0.0, abs=0.06)
    again = simulate(room, campaign.subset([0]), radio=PAPER, noise_db=0.5, seed=99)
    np.testing.assert_array_equal(levels(again), levels(noisy))


@pytest.mark.parametrize(
    "conductivity", [np.ones(8), -np.ones(9), np.full(9, np.nan), np.full(9, np.inf)]
)
def test_impossible_conductivities_are_refused(
    room: SceneModel, campaign: Campaign, conductivity: np.ndarray
) -> None:
    with pytest.raises(MaterialError, match="9 finite numbers"):
        simulate(room, campaign, radio=PAPER, conductivity=conductivity)


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_impossible_noise_is_refused(room: SceneModel, campaign: Campaign, noise: float) -> None:
    with pytest.raises(VlmrtError, match="noise_db"):
        simulate(room, campaign, radio=PAPER, noise_db=noise)


def test_positions_have_to_fit(room: SceneModel, campaign: Campaign) -> None:
    inside = campaign.rx.copy()
    inside[1, 2] = [-3.0, 3.0, 0.5]
    with pytest.raises(CampaignError, match=r"setup 2, receiver 3 .*inside 'box_wood'"):
        simulate(room, dataclasses.replace(campaign, rx=inside), radio=PAPER)


@pytest.mark.slow
def test_receivers_that_nothing_reaches_are_taken_out(room: SceneModel) -> None:
    """Lines of sight only, and a box in the way of all but one receiver of the first setup."""
    blocked = [[3.8, -3.0, 0.5], [3.9, -3.2, 0.4]]
    places = Campaign(
        np.array([[2.2, -3.0, 0.5], [2.0, -3.0, 0.5]]),
        np.array([[blocked[0], [0.0, 0.0, 2.0]], blocked]),
    )
    with pytest.warns(UserWarning, match=r"no path reaches 3 receivers.*setup 1 receiver 1"):
        found = simulate(room, places, radio=PAPER.replace(max_depth=0))
    assert found.num_setups == 1
    np.testing.assert_array_equal(found.present, [[False, True]])
    assert np.isfinite(levels(found)[found.present]).all()
    with pytest.raises(NoPathsError, match="max_depth"):
        simulate(room, places.subset([1]), radio=PAPER.replace(max_depth=0))


def test_truths_are_drawn_as_in_the_paper() -> None:
    nominal = np.array([0.03, 0.1])
    factor = np.array([perturbed(nominal, seed) / nominal for seed in range(3000)])
    assert factor.min() >= 0.8
    assert factor.max() <= 1.2
    assert factor.mean() == pytest.approx(1.0, abs=0.01)
    # N(1, 0.1²) truncated at two standard deviations has 0.088 left, and no heaps at its ends.
    assert factor.std() == pytest.approx(0.088, abs=0.003)
    assert ((factor == 0.8) | (factor == 1.2)).sum() == 0
    np.testing.assert_array_equal(perturbed(nominal, 4), perturbed(nominal, 4))
