import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.numerics import PAPER, all_concrete
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import CampaignError, MaterialError, NoPathsError, VlmrtError
from vlmrt_dist.field.simulation import perturbed, simulate
from vlmrt_dist.inference.estimation import estimate
from vlmrt_dist.inference.options import Adam, LevenbergMarquardt, Noise, Parameters, Prior
from vlmrt_dist.inference.relative_error import mean_relative_error
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.placement.registry import place
from vlmrt_dist.placement.strategies.d_optimal import DOptimal
from vlmrt_dist.scene.model import SceneModel, SceneObject
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm import propose_materials

pytestmark = pytest.mark.filterwarnings("ignore:Sionna's solver drops paths")
"""Positions that are placed for the paper's sampled paths may lie in a corner; whether Sionna says
so is tested in tests/paths/test_sionna_limits.py."""


@pytest.fixture(scope="module")
def planned(well_placed: Callable[[RadioConfig], Campaign]) -> Campaign:
    """Three setups of eight receivers, well placed."""
    return well_placed(PAPER)


@pytest.fixture(scope="module")
def truth(room: SceneModel) -> FloatArray:
    return perturbed(room.conductivity(PAPER.frequency), seed=1)


@pytest.fixture(scope="module")
def measured(room: SceneModel, planned: Campaign, truth: FloatArray) -> Campaign:
    return simulate(room, planned, conductivity=truth, radio=PAPER)


# Without an engine.


def test_the_mean_relative_error_by_hand() -> None:
    assert mean_relative_error(np.array([1.1, 3.0]), np.array([1.0, 4.0])) == pytest.approx(0.175)
    assert mean_relative_error(np.array([1.1, 3.0]), np.array([1.0, 0.0])) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"parameters": Parameters(fixed=("nowhere",))}, "nowhere"),
        ({"parameters": Parameters(("exponent",))}, "several carriers"),
        ({"parameters": Parameters(groups={"nothing": "walls"})}, "no object is named 'nothing'"),
        ({"solver": LevenbergMarquardt(initial="vlm")}, "propose_materials"),
        ({"solver": LevenbergMarquardt(initial=np.ones(3))}, "9 numbers, positive and finite"),
        ({"prior": Prior(correlation=0.3)}, "conductivity and relative_permittivity: let both"),
        ({"seed": -1}, "seed must not be negative"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_traced(
    room: SceneModel, campaign: Campaign, option: dict[str, Any], message: str, monkeypatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("traced")

    monkeypatch.setattr("vlmrt_dist.field.trace", refuse)
    levels = campaign.with_rss(np.full((3, 8), -40.0))
    with pytest.raises(VlmrtError, match=message):
        estimate(room, levels, radio=PAPER, **option)


def test_a_campaign_has_to_be_measured_and_to_fit(room: SceneModel, campaign: Campaign) -> None:
    with pytest.raises(CampaignError, match="positions only"):
        estimate(room, campaign)
    far = campaign.rx + np.array([0.0, 50.0, 0.0])
    outside = Campaign(campaign.tx, far, rss_dbm=np.full((3, 8), -40.0))
    with pytest.raises(CampaignError, match=r"setup 1, receiver 1 .*outside the room"):
        estimate(room, outside)


# Levenberg-Marquardt.


@pytest.mark.slow
@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_without_noise_the_truth_is_found(
    room: SceneModel, planned: Campaign, combining: str
) -> None:
    radio = PAPER.replace(combining=combining)
    errors = []
    for seed in range(7):
        truth = perturbed(room.conductivity(radio.frequency), seed)
        levels = simulate(room, planned, conductivity=truth, radio=radio)
        found = estimate(
            room, levels, radio=radio, solver=LevenbergMarquardt(folds=0), prior=Prior(float("inf"))
        )
        assert found.protocol == "same_paths"
        errors.append(found.relative_error(truth))
    assert np.median(errors) <= 1e-6


@pytest.fixture(scope="module")
def default(room: SceneModel, measured: Campaign, truth: FloatArray) -> Estimate:
    return estimate(room, measured, radio=PAPER)


@pytest.mark.slow
def test_what_an_estimate_says(room: SceneModel, default: Estimate, truth: FloatArray) -> None:
    assert default.names == room.names
    assert default.outcome == "converged"
    assert (default.engine, default.optimizer) == ("replay", "levenberg_marquardt")
    assert default.num_links == 24
    assert default.num_unheard == 0
    assert default.num_paths > 400
    assert default.relative_error(truth) < 1e-2
    assert default.residual_db < 1e-3
    assert 0.0 <= default.held_out_db < 1.0
    assert default.noise_scale == 1.0
    assert set(default.seconds) == {"trace", "compile", "fit", "uncertainty"}
    assert (default.low < default.conductivity).all()
    assert (default.conductivity < default.high).all()
    assert ((default.low <= truth) & (truth <= default.high)).mean() > 0.6


@pytest.mark.slow
def test_every_link_says_what_was_measured_replayed_and_held_out(
    room: SceneModel, measured: Campaign
) -> None:
    assert measured.rss_dbm is not None
    noisy = measured.with_rss(
        measured.rss_dbm + np.random.default_rng(0).normal(size=(3, 8)), noise_db=1.0
    )
    found = estimate(room, noisy, radio=PAPER)
    links = found.links
    again = simulate(room, noisy, conductivity=found.fitted, radio=PAPER)
    assert noisy.rss_dbm is not None
    assert again.rss_dbm is not None
    np.testing.assert_array_equal(links.measured_dbm, noisy.rss_dbm)
    np.testing.assert_allclose(links.replayed_dbm, again.rss_dbm, rtol=1e-9)
    assert np.sqrt((links.residual_db**2).mean()) == pytest.approx(found.residual_db)
    assert np.sqrt((links.held_out_residual_db**2).mean()) == found.held_out_db
    np.testing.assert_array_equal(links.standardised, links.residual_db)  # the noise is 1 dB
    # A fit that has not seen a level predicts it worse, on the whole.
    assert found.held_out_db > found.residual_db
    assert np.isnan(
        estimate(room, noisy, radio=PAPER, solver=LevenbergMarquardt(folds=0)).links.held_out_dbm
    ).all()


@pytest.mark.slow
def test_the_protocol_is_told(
    room: SceneModel, planned: Campaign, measured: Campaign, truth: FloatArray
) -> None:
    same = estimate(room, measured, radio=PAPER, solver=LevenbergMarquardt(folds=0))
    assert same.protocol == "same_paths"
    other = simulate(room, planned, conductivity=truth, radio=PAPER.replace(seed=9))
    independent = estimate(room, other, radio=PAPER, solver=LevenbergMarquardt(folds=0))
    assert independent.protocol == "independent"
    assert independent.relative_error(truth) > 10 * same.residual_db
    assert independent.noise_scale > 1.5  # the declared noise does not explain missing paths
    by_hand = estimate(
        room, measured.with_rss(measured.rss_dbm), radio=PAPER, solver=LevenbergMarquardt(folds=0)
    )
    assert by_hand.protocol == "measured"
    np.testing.assert_array_equal(by_hand.conductivity, same.conductivity)


@pytest.mark.slow
def test_some_of_a_simulated_campaign_is_still_simulated(
    room: SceneModel, measured: Campaign
) -> None:
    part = estimate(room, measured.subset([0, 2]), radio=PAPER, solver=LevenbergMarquardt(folds=0))
    assert part.protocol == "same_paths"


@pytest.mark.slow
def test_twice_the_same_is_bit_for_bit_the_same(room: SceneModel, measured: Campaign) -> None:
    for initial in ("random", "uniform"):
        first, second = (
            estimate(
                room, measured, radio=PAPER, seed=3, solver=LevenbergMarquardt(initial=initial)
            )
            for _ in range(2)
        )
        np.testing.assert_array_equal(first.conductivity, second.conductivity)
        np.testing.assert_array_equal(first.low, second.low)
        assert first.held_out_db == second.held_out_db


@pytest.mark.slow
def test_fixed_objects_stay_as_the_scene_states(
    room: SceneModel, measured: Campaign, truth: FloatArray
) -> None:
    known = room.with_materials({})
    found = estimate(
        known,
        measured,
        radio=PAPER,
        solver=LevenbergMarquardt(folds=0),
        parameters=Parameters(fixed=("floor", "box_marble")),
    )
    itu = room.conductivity(PAPER.frequency)
    for name in ("floor", "box_marble"):
        k = room.names.index(name)
        assert found.verdict[k] == "fixed"
        assert found.conductivity[k] == found.low[k] == found.high[k] == itu[k]
    assert "estimated" in found.verdict


@pytest.mark.slow
def test_noise_widens_the_intervals(room: SceneModel, planned: Campaign, truth: FloatArray) -> None:
    spread = []
    for noise in (0.01, 0.1, 1.0):
        levels = simulate(room, planned, conductivity=truth, radio=PAPER, noise_db=noise, seed=1)
        found = estimate(room, levels, radio=PAPER, solver=LevenbergMarquardt(folds=0))
        spread.append(np.log(found.high / found.low).mean())
    assert spread[0] < spread[1] < spread[2]
    # The same levels, with their noise declared larger.
    told = estimate(
        room, levels, radio=PAPER, solver=LevenbergMarquardt(folds=0), noise=Noise(db=3.0)
    )
    assert np.log(told.high / told.low).mean() > spread[2]


@pytest.mark.slow
def test_without_an_interaction_nothing_is_known(room: SceneModel, planned: Campaign) -> None:
    """Lines of sight alone: the data say nothing, with a prior or without."""
    radio = PAPER.replace(max_depth=0)
    with pytest.warns(UserWarning, match="no path reaches"):
        levels = simulate(room, planned, radio=radio)
    for width in (0.5, float("inf")):
        found = estimate(room, levels, radio=radio, prior=Prior(width))
        assert set(found.verdict) == {"not_identified"}
        np.testing.assert_array_equal(found.conductivity, found.prior)
        np.testing.assert_allclose([found.low, found.high], [found.prior_low, found.prior_high])
        assert found.protocol == "same_paths"


def hidden() -> tuple[SceneModel, Campaign]:
    """The paper's room and a plank outside it that no path of one reflection meets."""
    room = box_room(0)
    plank = SceneObject(
        "plank",
        "wood",
        np.array([[-1, 40, 1], [1, 40, 1], [1, 40, 2], [-1, 40, 2]], float),
        np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    )
    model = dataclasses.replace(room, objects=(*room.objects, plank))
    return model, random_campaign(room, 2, 8, seed=2)


@pytest.mark.slow
@pytest.mark.parametrize("width", [0.5, float("inf")])
def test_an_object_that_no_link_sees_is_shown_as_the_prior(width: float) -> None:
    model, places = hidden()
    radio = PAPER.replace(max_depth=1)
    truth = perturbed(model.conductivity(radio.frequency), seed=0)
    levels = simulate(model, places, conductivity=truth, radio=radio)
    found = estimate(model, levels, radio=radio, prior=Prior(width))
    assert found.verdict[-1] == "not_identified"
    assert found.conductivity[-1] == found.prior[-1]
    assert found.low[-1] == pytest.approx(found.prior_low[-1])
    np.testing.assert_allclose(found.fitted[:-1], truth[:-1], rtol=1e-2)
    assert "not identified" in str(found)


@pytest.mark.slow
def test_links_without_a_path_are_counted_and_not_used(
    room: SceneModel, measured: Campaign
) -> None:
    """Levels are measured wherever; with lines of sight and one reflection some have no path."""
    from vlmrt_dist.field.tracing import trace as real
    from vlmrt_dist.paths.path_table import PathTable

    def without(*args: Any, **kwargs: Any) -> PathTable:
        table = real(*args, **kwargs)
        return table.rows((table.setup != 1) | (table.receiver != 3))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vlmrt_dist.field.trace", without)
        found = estimate(room, measured, radio=PAPER, solver=LevenbergMarquardt(folds=0))
        assert (found.num_links, found.num_unheard) == (24, 1)
        assert "1 of 24 measured links have no traced path" in str(found)
        assert found.residual_db < 1e-3
        patch.setattr(
            "vlmrt_dist.field.trace",
            lambda *a, **k: real(*a, **k).rows(np.zeros(0, np.int64)),
        )
        with pytest.raises(NoPathsError, match="no path joins"):
            estimate(room, measured, radio=PAPER)


@pytest.mark.slow
def test_a_ragged_campaign(room: SceneModel, measured: Campaign, truth: FloatArray) -> None:
    present = np.ones((3, 8), bool)
    present[0, 6:] = present[2, 0] = False
    ragged = dataclasses.replace(measured, present=present)
    found = estimate(room, ragged, radio=PAPER, solver=LevenbergMarquardt(folds=0))
    assert (found.num_links, found.num_unheard) == (21, 0)
    assert found.relative_error(truth) < 0.05
    log = estimate(
        room,
        ragged,
        radio=PAPER,
        solver=Adam(rate=1e-2, space="log_conductivity", max_iterations=50),
    )
    assert log.losses[-1] < log.losses[0]


@pytest.mark.slow
def test_fifteen_objects() -> None:
    room = box_room(10)
    places = place(DOptimal(radio=PAPER), room, 4, 10, seed=0)
    truth = perturbed(room.conductivity(PAPER.frequency), seed=2)
    levels = simulate(room, places, conductivity=truth, radio=PAPER)
    found = estimate(
        room, levels, radio=PAPER, solver=LevenbergMarquardt(folds=0), prior=Prior(float("inf"))
    )
    told = np.array([v == "estimated" for v in found.verdict])
    assert told.sum() >= 10
    np.testing.assert_allclose(found.conductivity[told], truth[told], rtol=0.02)


@pytest.mark.slow
def test_a_prior_from_elsewhere_is_where_an_estimate_starts_and_what_it_returns_to(
    room: SceneModel, measured: Campaign, truth: FloatArray
) -> None:
    """All taken for concrete, which most are not: levels without noise correct it."""
    given = all_concrete(room)
    found = estimate(
        room, measured, radio=PAPER, prior=given,
        solver=LevenbergMarquardt(initial="vlm", folds=0),
    )  # fmt: skip
    assert found.materials == given.materials
    np.testing.assert_allclose(found.prior, given.conductivity(PAPER.frequency))
    np.testing.assert_allclose(np.log(found.prior_high / found.prior), 1.959964 * given.width)
    assert found.relative_error(truth) < 0.02 < mean_relative_error(found.prior, truth)
    blind = estimate(
        room, measured, radio=PAPER, prior=given, noise=Noise(db=1e3),
        solver=LevenbergMarquardt(folds=0),
    )  # fmt: skip
    np.testing.assert_array_equal(blind.conductivity, found.prior)


# Adam.


@pytest.mark.slow
def test_adam_as_in_the_paper(room: SceneModel, measured: Campaign, truth: FloatArray) -> None:
    found = estimate(room, measured, radio=PAPER, solver=Adam())
    start = mean_relative_error(found.prior, truth)
    assert found.relative_error(truth) < 0.5 * start
    assert found.outcome in ("converged", "max_iterations")
    assert len(found.losses) == found.iterations <= 1000
    assert found.losses[-1] < 0.2 * found.losses[0]


@pytest.mark.slow
def test_retrace_takes_steps(room: SceneModel, campaign: Campaign, truth: FloatArray) -> None:
    radio = PAPER.replace(max_depth=2)
    places = Campaign(campaign.tx[:1], campaign.rx[:1, :3])
    levels = simulate(room, places, conductivity=truth, radio=radio)
    seen: list[tuple[str, int, int]] = []
    slow = estimate(
        room, levels, radio=radio, progress=lambda *step: seen.append(step),
        solver=Adam(max_iterations=2, engine="retrace"),
    )  # fmt: skip
    fast = estimate(room, levels, radio=radio, solver=Adam(max_iterations=2))
    assert (slow.engine, slow.iterations, slow.outcome) == ("retrace", 2, "max_iterations")
    assert [step for step in seen if step[0] == "fit"] == [("fit", 1, 2), ("fit", 2, 2)]
    np.testing.assert_allclose(slow.fitted, fast.fitted, rtol=1e-3)
    np.testing.assert_allclose(slow.losses, fast.losses, rtol=1e-2)
    assert slow.protocol == "same_paths"  # one seed, one path set, whoever solves for it


@pytest.mark.slow
def test_a_wrong_material_is_found_out_where_levels_can_tell(
    room: SceneModel, well_placed: Callable[[RadioConfig], Campaign]
) -> None:
    """The box that the scene calls wood is plywood, 18 times as conductive.

    Depth 3: at depth 2 the levels are explained within their noise by a value near the prior, too.
    """
    radio = RadioConfig(max_depth=3, combining="coherent")
    campaign = well_placed(radio)
    truth = room.conductivity(radio.frequency).copy()
    box = room.names.index("box_wood")
    truth[box] = 0.33
    inside = []
    for seed in range(8):
        measured = simulate(
            room, campaign, conductivity=truth, radio=radio, noise_db=0.2, seed=seed
        )
        found = estimate(room, measured, radio=radio, seed=seed, solver=LevenbergMarquardt(folds=0))
        assert found.contradicts_prior[box]
        assert any("contradict the prior of box_wood" in line for line in found.remarks())
        inside.append(found.low[box] <= truth[box] <= found.high[box])
    assert sum(inside) >= 6


@pytest.mark.slow
def test_a_right_material_is_not_doubted(
    room: SceneModel, well_placed: Callable[[RadioConfig], Campaign]
) -> None:
    radio = PAPER.replace(max_depth=2)
    campaign = well_placed(radio)
    doubted = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        truth = room.conductivity(radio.frequency) * np.exp(0.5 * rng.standard_normal(9))
        measured = simulate(
            room, campaign, conductivity=truth, radio=radio, noise_db=0.2, seed=seed
        )
        doubted += sum(
            estimate(
                room, measured, radio=radio, solver=LevenbergMarquardt(folds=0)
            ).contradicts_prior
        )
    assert doubted <= 3  # of 90 draws from the prior; beyond 2.77 standard deviations: 0.5


# More unknowns, and what the links cannot tell.

COHERENT = PAPER.replace(combining="coherent")


@pytest.fixture(scope="module")
def places(well_placed: Callable[[RadioConfig], Campaign]) -> Campaign:
    return well_placed(COHERENT)


@pytest.mark.slow
def test_permittivity_and_gain_beside_the_conductivity(room: SceneModel, truth: FloatArray) -> None:
    """Permittivities are 5 % off the table, and each setup's levels are off by a gain.

    Every path is used: what a single solve finds depends on the permittivities.
    """
    radio = RadioConfig(max_depth=2, combining="coherent")
    places = place(DOptimal(radio=radio), room, 3, 8, seed=0)
    rng = np.random.default_rng(0)
    known = room.relative_permittivity(3.5e9)
    permittivity = known * np.exp(0.05 * rng.standard_normal(9))
    real = room.with_materials(relative_permittivity=permittivity)
    gain = np.array([0.8, -1.1, 0.3])
    levels = simulate(real, places, conductivity=truth, radio=radio, noise_db=0.03, seed=1)
    assert levels.rss_dbm is not None
    shifted = levels.with_rss(levels.rss_dbm + gain[:, None])
    found = estimate(
        room,
        shifted,
        radio=radio,
        solver=LevenbergMarquardt(folds=0),
        prior=Prior(0.1),
        parameters=Parameters(
            ("conductivity", "relative_permittivity"), widths={"relative_permittivity": 0.05}
        ),
        noise=Noise(gain_offset_db=1.0),
    )
    other = found.others["relative_permittivity"]
    assert found.num_unknowns == 21
    assert np.abs(other.value / permittivity - 1.0).mean() < 0.02
    assert np.abs(known / permittivity - 1.0).mean() > 0.02
    assert ((other.low <= permittivity) & (permittivity <= other.high)).mean() > 0.7
    assert found.gains is not None
    assert (np.abs(found.gains.value - gain) <= 4.0 * found.gains.std).all()
    text = str(found)
    for word in ("Relative permittivity of 9 objects at 3.5 GHz", "Offsets of the levels"):
        assert word in text
    # Without them, the same levels contradict the model.
    plain = estimate(
        room, shifted, radio=radio, solver=LevenbergMarquardt(folds=0), prior=Prior(0.1)
    )
    assert plain.noise_scale > 3.0 * found.noise_scale


@pytest.mark.slow
def test_two_links_a_setup_are_reported_as_too_few(room: SceneModel, truth: FloatArray) -> None:
    few = place(DOptimal(radio=COHERENT), room, 3, 2, seed=0)
    levels = simulate(room, few, conductivity=truth, radio=COHERENT, noise_db=0.01, seed=1)
    found = estimate(room, levels, radio=COHERENT)
    assert found.num_links == 6 < found.num_unknowns == 9
    assert found.determined <= 6.0
    line = next(line for line in found.remarks() if line.startswith("under-determined"))
    open_ = ("weak", "several", "not_identified")
    unsure = [n for n, v in zip(room.names, found.verdict, strict=True) if v in open_]
    assert unsure
    assert all(name in line for name in unsure)


@pytest.mark.slow
def test_two_objects_that_only_appear_together_are_named_as_a_pair() -> None:
    """Two planks one behind the other, met only by the one wave that goes through both."""
    room = box_room(0)
    wall = np.array([[-1.9, 0.0, 0.0], [1.9, 0.0, 0.0], [1.9, 0.0, 2.9], [-1.9, 0.0, 2.9]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    planks = tuple(
        SceneObject(name, "wood", wall + np.array([0.0, y, 0.0]), faces)
        for name, y in (("front", -0.2), ("back", 0.2))
    )
    model = dataclasses.replace(room, objects=(*room.objects, *planks))
    radio = PAPER.replace(max_depth=2)
    places = Campaign(np.array([[0.0, -1.5, 1.5]]), np.array([[[0.0, 1.5, 1.5], [0.1, 1.4, 1.5]]]))
    fixed = room.names
    levels = simulate(model, places, radio=radio, noise_db=0.01, seed=0)
    found = estimate(model, levels, radio=radio, parameters=Parameters(fixed=fixed))
    assert found.entangled == (("front", "back"),)
    assert any("only their combination is determined: front and back" in r for r in found.remarks())
    assert set(found.verdict[-2:]) <= {"weak", "at_most", "not_identified"}


@pytest.mark.slow
def test_metal_is_fixed_and_breaks_nothing(room: SceneModel, places: Campaign) -> None:
    mixed = room.with_materials({"box_wood": "metal"})
    levels = simulate(mixed, places, radio=COHERENT, noise_db=0.1, seed=0)
    found = estimate(
        mixed,
        levels,
        radio=COHERENT,
        solver=LevenbergMarquardt(folds=0),
        parameters=Parameters(
            ("conductivity", "relative_permittivity", "thickness"), groups="material"
        ),
    )
    k = room.names.index("box_wood")
    assert found.verdict[k] == "fixed"
    assert found.conductivity[k] == 1e7
    assert [q.verdict[k] for q in found.others.values()] == ["fixed", "fixed"]
    assert found.others["thickness"].value[k] == room.thickness[k]
    assert len(set(found.conductivity[:5])) == 1


@pytest.mark.slow
def test_displaced_receivers_take_weight_from_coherent_links(
    room: SceneModel, places: Campaign, truth: FloatArray
) -> None:
    levels = simulate(room, places, conductivity=truth, radio=COHERENT, noise_db=0.1, seed=1)
    exact = estimate(room, levels, radio=COHERENT, solver=LevenbergMarquardt(folds=0))
    moved = estimate(
        room,
        levels,
        radio=COHERENT,
        solver=LevenbergMarquardt(folds=0),
        noise=Noise(position_error_m=0.05),
    )
    assert np.median(moved.links.noise_db) > 10 * np.median(exact.links.noise_db)
    assert moved.determined < 0.6 * exact.determined


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"parameters": Parameters(groups="material")}, "not groups"),
        ({"noise": Noise(gain_offset_db=1.0)}, "not gain_offset_db"),
        ({"parameters": Parameters(("thickness",))}, "not the quantities thickness"),
    ],
)
def test_adam_is_refused_what_it_does_not_know(
    room: SceneModel, campaign: Campaign, option: dict[str, Any], message: str
) -> None:
    levels = campaign.with_rss(np.full((3, 8), -40.0))
    with pytest.raises(VlmrtError, match=message):
        estimate(room, levels, radio=PAPER, solver=Adam(), **option)


def test_adam_knows_no_level_that_is_a_bound(room: SceneModel, campaign: Campaign) -> None:
    levels, one = np.full((3, 8), -40.0), np.zeros((3, 8), bool)
    one[1, 2] = True
    for name, message in (("censored", "below a receiver's floor"), ("saturated", "that saturate")):
        some = campaign.with_rss(levels, **{name: one})
        with pytest.raises(VlmrtError, match=message):
            estimate(room, some, radio=PAPER, solver=Adam())


def test_adam_has_no_exponents_but_the_scenes(room: SceneModel, campaign: Campaign) -> None:
    levels = dataclasses.replace(
        campaign, rss_dbm=np.full((3, 8), -40.0), frequency=np.array([3.5e9, 5.0e9, 3.5e9])
    )
    given = propose_materials("offline", room, frequency=PAPER.frequency).prior
    with pytest.raises(VlmrtError, match="not a prior's exponents at another carrier"):
        estimate(room, levels, radio=PAPER, prior=given, solver=Adam())


@pytest.mark.slow
def test_a_prior_of_the_offline_advisor_has_its_materials_and_widths(
    room: SceneModel, measured: Campaign, truth: FloatArray
) -> None:
    given = propose_materials("offline", room, frequency=PAPER.frequency).prior
    found = estimate(room, measured, radio=PAPER, prior=given, solver=LevenbergMarquardt(folds=0))
    assert found.materials[room.names.index("box_marble")] == "marble"
    assert not np.allclose(found.prior_high / found.prior, np.exp(0.5 * 1.96))


def test_a_start_at_a_prior_needs_one(room: SceneModel, campaign: Campaign) -> None:
    levels = campaign.with_rss(np.full((3, 8), -40.0))
    with pytest.raises(VlmrtError, match="propose_materials"):
        estimate(room, levels, radio=PAPER, solver=LevenbergMarquardt(initial="vlm"))


def test_a_stated_prior_fills_materials_that_the_scene_leaves_unstated(room: SceneModel) -> None:
    unnamed = [dataclasses.replace(item, material="Material.001") for item in room.objects]
    unstated = dataclasses.replace(room, objects=tuple(unnamed))
    radio = RadioConfig(max_depth=1)
    levels = simulate(room, random_campaign(room, 1, 4, seed=0), radio=radio, noise_db=0.1, seed=0)
    prior = propose_materials("offline", unstated, frequency=radio.frequency).prior
    filled = unstated.fill_materials(prior.materials)
    assert filled.unstated == ()
    found, expected = (
        estimate(scene, levels, radio=radio, prior=prior, noise=Noise(db=0.1))
        for scene in (unstated, filled)
    )
    np.testing.assert_array_equal(found.conductivity, expected.conductivity)
    with pytest.raises(MaterialError, match="--material Material=CLASS"):
        estimate(unstated, levels, radio=radio, noise=Noise(db=0.1))
