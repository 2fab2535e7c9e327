from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import vlmrt_dist as vd
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.field.simulation import perturbed
from vlmrt_dist.inference.options import LevenbergMarquardt, Noise, Parameters
from vlmrt_dist.inference.posterior import NORMAL_95
from vlmrt_dist.placement.sequential import NextSetup, Target, _posterior_draws, joined, plan_next
from vlmrt_dist.scene.itu import conductivity_table
from vlmrt_dist.scene.material_prior import prior_from_classes

RADIO = vd.RadioConfig.paper(combining="coherent")
SMALL = vd.CandidateOptions(num_tx=6, num_rx=20)


def test_joined_campaigns_keep_every_link() -> None:
    scene = vd.box_room()
    first = random_campaign(scene, 2, 3, seed=0).with_rss(np.full((2, 3), -40.0), 0.5)
    second = random_campaign(scene, 1, 5, seed=1).with_rss(np.full((1, 5), -50.0), 0.1)
    both = joined([first, second])
    assert (both.num_setups, both.num_receivers, both.num_links) == (3, 5, 11)
    np.testing.assert_array_equal(both.rx[2], second.rx[0])
    np.testing.assert_array_equal(both.present.sum(1), [3, 3, 5])
    np.testing.assert_allclose(np.asarray(both.noise_db)[both.present], [0.5] * 6 + [0.1] * 5)
    assert both.rss_dbm is not None
    np.testing.assert_allclose(both.rss_dbm[both.present], [-40.0] * 6 + [-50.0] * 5)
    with pytest.raises(CampaignError, match="some campaigns have rss_dbm"):
        joined([first, second.with_rss(None)])


def test_draws_from_the_posterior_have_its_covariance() -> None:
    rng = np.random.default_rng(0)
    rows, width = rng.normal(size=(3, 4)) * 2.0, np.array([0.2, 0.3, 0.1, 0.4])
    theta = np.full(4, 0.03)
    draws = _posterior_draws(theta, sp.csr_matrix(rows), width, 20_001, 0)
    np.testing.assert_allclose(draws[0], theta)
    expected = np.linalg.inv(rows.T @ rows + np.diag(1.0 / width**2))
    np.testing.assert_allclose(np.cov(np.log(draws[1:] / theta).T), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"std": 0.0}, "target"),
        ({"std": np.inf}, "target"),
        ({"max_setups": 0}, "max_setups"),
        ({"scope": "identifiable"}, "all or median"),
    ],
)
def test_a_target_has_to_be_one(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        Target(**({"std": 0.1} | options))


def test_a_target_is_for_all_objects_or_their_median() -> None:
    std = np.array([0.05, 0.1, 0.3])
    assert not Target(0.1).reached(std)
    assert Target(0.3).reached(std)
    assert Target(0.1, scope="median").reached(std)


@pytest.mark.slow
def test_the_next_setup_is_for_what_is_still_unknown(room: vd.SceneModel) -> None:
    planned = random_campaign(room, 1, 3, seed=0)
    measured = vd.simulate(room, planned, radio=RADIO, noise_db=0.1, seed=1)
    # A plan takes the posterior for normal, whatever its shape.
    solver = LevenbergMarquardt(folds=0, posterior="normal")
    result = vd.estimate(room, measured, radio=RADIO, solver=solver)
    ahead = plan_next(room, measured, result, num_receivers=3, radio=RADIO, candidates=SMALL)
    assert (ahead.after <= ahead.before + 1e-12).all()
    # What is measured enters as the estimate has it; what is not identified shows the prior.
    told = np.array([v != "not_identified" for v in result.verdict])
    stated = np.log(result.high / result.low) / (2.0 * NORMAL_95)
    np.testing.assert_allclose(ahead.before[told], stated[told], rtol=0.02)
    chance = vd.predicted_std(
        room, joined([planned, random_campaign(room, 1, 3, seed=9)]), radio=RADIO, noise_db=0.1,
        conductivity=result.conductivity,
        prior_width=np.log(result.prior_high / result.prior) / NORMAL_95,
    )  # fmt: skip
    assert ahead.after.mean() < chance.posterior.mean()
    again = vd.plan_next(room, measured, result, num_receivers=3, radio=RADIO, candidates=SMALL)
    assert again.campaign.key == ahead.campaign.key
    assert (again.campaign.num_setups, again.campaign.num_receivers) == (1, 3)
    with pytest.raises(ConfigurationError, match="num_receivers"):
        vd.plan_next(room, measured, result, num_receivers=0, radio=RADIO)
    with pytest.raises(CampaignError, match="not made from this scene and campaign"):
        vd.plan_next(room, planned.subset([0, 0]).with_rss(np.zeros((2, 3))), result, radio=RADIO)


def test_what_a_prior_sets_free_is_planned_for(room: vd.SceneModel) -> None:
    """The scene calls the wooden box metal, which it would hold fixed; the prior knows better, and
    takes the concrete one for air."""
    radio = RADIO.replace(max_depth=1)
    planned = random_campaign(room, 1, 3, seed=0)
    measured = vd.simulate(room, planned, radio=radio, noise_db=0.1, seed=1)
    table = conductivity_table(radio.frequency)
    wood, concrete = (room.names.index(name) for name in ("box_wood", "box_concrete"))
    taken = list(room.materials)
    taken[concrete] = "vacuum"
    given = prior_from_classes(
        room.names, taken, np.ones(9), [""] * 9, table, frequency=radio.frequency
    )
    called = room.with_materials({"box_wood": "metal"})
    result = vd.estimate(
        called, measured, radio=radio, prior=given, solver=LevenbergMarquardt(folds=0)
    )
    assert result.verdict[concrete] == "fixed" != result.verdict[wood]
    ahead = plan_next(called, measured, result, num_receivers=6, radio=radio, candidates=SMALL)
    assert ahead.before[concrete] == ahead.after[concrete] == 0.0
    assert ahead.after[wood] < 0.9 * ahead.before[wood]


@pytest.mark.parametrize(
    "more",
    [
        {"parameters": Parameters(("conductivity", "relative_permittivity"))},
        {"noise": Noise(gain_offset_db=3.0)},
        {"parameters": Parameters(groups="material")},
        {"noise": Noise(gain_offset_db=3.0), "parameters": Parameters(groups="material")},
    ],
)
def test_a_plan_knows_no_more_than_an_estimate_of_several_unknowns(
    room: vd.SceneModel, more: dict[str, Any]
) -> None:
    radio = RADIO.replace(max_depth=1)
    planned = random_campaign(room, 2, 6, seed=0)
    measured = vd.simulate(room, planned, radio=radio, noise_db=0.1, seed=1)
    # A plan takes the posterior for normal, whatever its shape.
    solver = LevenbergMarquardt(folds=0, posterior="normal")
    result = vd.estimate(room, measured, radio=radio, solver=solver, **more)
    ahead = plan_next(room, measured, result, num_receivers=4, radio=radio, candidates=SMALL)
    told = np.array([v != "not_identified" for v in result.verdict])
    assert told.any()
    stated = np.log(result.high / result.low) / (2.0 * NORMAL_95)
    np.testing.assert_allclose(ahead.before[told], stated[told], rtol=1e-3)
    assert (ahead.after <= ahead.before + 1e-9).all()


def test_where_nothing_is_open_there_is_nothing_to_plan(room: vd.SceneModel) -> None:
    radio = RADIO.replace(max_depth=1)
    measured = vd.simulate(room, random_campaign(room, 1, 3, seed=0), radio=radio, noise_db=0.1)
    result = vd.estimate(
        room,
        measured,
        radio=radio,
        solver=LevenbergMarquardt(folds=0, posterior="normal", max_total=200),
        parameters=Parameters(("relative_permittivity",)),
    )
    with pytest.raises(ConfigurationError, match="nothing to plan"):
        vd.plan_next(room, measured, result, radio=radio, candidates=SMALL)


@pytest.mark.slow
def test_a_loop_ends_at_its_target_and_says_why_it_ends(room: vd.SceneModel) -> None:
    radio = RADIO.replace(path_set="exact")
    truth = perturbed(room.conductivity(radio.frequency), 3)
    rounds: list[int] = []

    def measure(planned: vd.Campaign) -> vd.Campaign:
        assert planned.rss_dbm is None
        return vd.simulate(
            room, planned, conductivity=truth, radio=radio, noise_db=0.1, seed=len(rounds)
        )

    loop = vd.measure_until(
        room, measure, vd.Target(0.15, max_setups=5), num_receivers=4, radio=radio,
        start=random_campaign(room, 1, 4, seed=0), on_round=lambda c, _: rounds.append(c.num_links),
    )  # fmt: skip
    assert loop.reached
    assert loop.std[-1].max() <= 0.15
    assert loop.std[0].max() > 0.15
    assert tuple(rounds) == loop.num_links
    assert "15 %" in loop.reason
    error = np.abs(np.log(loop.result.conductivity / truth))
    assert (error < 4.0 * loop.std[-1]).all()
    short = vd.measure_until(
        room, measure, vd.Target(1e-5, max_setups=1), num_receivers=4, radio=radio,
        start=random_campaign(room, 1, 4, seed=0),
    )  # fmt: skip
    assert not short.reached
    assert "1 setups are measured" in short.reason


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_loop_needs_about_as_few_links_as_a_batch(room: vd.SceneModel, seed: int) -> None:
    """To 10 % for every object, on every path: a sample of the paths has links other than those
    that the batch was chosen for. What a loop learns late may cost it one setup more."""
    radio = vd.RadioConfig(combining="coherent")
    truth = perturbed(room.conductivity(radio.frequency), seed)

    def measure(planned: vd.Campaign) -> vd.Campaign:
        noise_seed = int(planned.key[:6], 16)
        return vd.simulate(
            room, planned, conductivity=truth, radio=radio, noise_db=0.1, seed=noise_seed
        )

    solver = LevenbergMarquardt(folds=0, posterior="normal")
    estimator = partial(vd.estimate, prior=vd.Prior(0.5), solver=solver)
    loop = vd.measure_until(
        room, measure, vd.Target(0.1), num_receivers=3, radio=radio, estimator=estimator
    )
    assert loop.reached
    optimal = vd.DOptimal(radio=radio, candidates=vd.CandidateOptions(num_tx=24))
    for setups in range(1, 7):
        batch = vd.place(optimal, room, setups, 3)
        result = estimator(room, measure(batch), radio=radio)
        std = np.log(result.high / result.low) / (2.0 * NORMAL_95)
        if std.max() <= 0.1:
            break
    assert std.max() <= 0.1
    assert loop.num_links[-1] <= batch.num_links + 3


@pytest.mark.slow
def test_the_last_setup_has_no_more_receivers_than_the_target_needs(room: vd.SceneModel) -> None:
    radio = RADIO.replace(max_depth=1)
    measured = vd.simulate(
        room, random_campaign(room, 3, 8, seed=0), radio=radio, noise_db=0.1, seed=1
    )
    result = vd.estimate(room, measured, radio=radio, solver=LevenbergMarquardt(folds=0))

    def ahead(target: Target | None) -> NextSetup:
        return plan_next(
            room, measured, result, num_receivers=8, target=target, radio=radio, candidates=SMALL
        )

    whole = ahead(None)
    midway = float(np.median(whole.before) + np.median(whole.after)) / 2.0
    less = ahead(Target(midway, scope="median"))
    assert np.median(less.after) <= midway < np.median(less.before)
    assert less.campaign.num_links < whole.campaign.num_links == 8
