"""Rows of links against the Jacobian of an estimation's problem."""

import numpy as np
import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig, observable_words
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import simulate, trace
from vlmrt_dist.inference import Assumptions, Parameters, Prior, Quantity, open_problem
from vlmrt_dist.placement import Design, pool_for
from vlmrt_dist.placement.options import CandidateOptions
from vlmrt_dist.placement.sensitivities import link_rows
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=2)
BOTH: tuple[Quantity, ...] = ("conductivity", "relative_permittivity")
WORDS = "power,delay:10ns@2db,mean_delay@0.5ns,response:4@40db,magnitude:4"


def test_rows_hold_the_information_of_the_estimation(room: SceneModel, campaign: Campaign) -> None:
    """The problem of an estimation, whose values are those expected, has the same information."""
    design = Design(noise_db=0.5, observables=WORDS, quantities=BOTH)
    few = campaign.subset([0, 2])
    table, sigma = trace(room, few, RADIO), room.conductivity(RADIO.frequency)
    unknown = np.ones(2 * room.num_objects, bool)
    rows = link_rows(room, few, RADIO, table, sigma[None], design, unknown)
    power, plans = design.plans
    measured = simulate(room, few, radio=RADIO, noise_db=0.5, observables=plans, power=power)
    assumed = Assumptions(RADIO, Prior(width=0.5), Parameters(BOTH))
    with open_problem(room, measured, assumed) as problem:
        data = problem.data
        _, jacobian = problem.predict(problem.unknowns.mean)
        used = data.used
        expected = (jacobian[used] / data.noise_db[used, None]).toarray()
    found = rows.rows[0].toarray()
    assert rows.num_values == used.sum()
    # A simulated response is turned to its noisy self, so that what it tells differs a little.
    np.testing.assert_allclose(
        found.T @ found, expected.T @ expected, rtol=0.02, atol=2e-3 * (expected**2).sum(0).max()
    )


def test_few_rows_of_a_link_hold_nearly_all_of_it(room: SceneModel, campaign: Campaign) -> None:
    design = Design(observables="power,delay:5ns")
    table, sigma = trace(room, campaign, RADIO), room.conductivity(RADIO.frequency)
    unknown = np.ones(room.num_objects, bool)
    every, few = (
        link_rows(room, campaign, RADIO, table, sigma[None], design, unknown, most=most)
        for most in (None, 4)
    )
    assert few.per_link == 4 < every.per_link <= room.num_objects
    whole, part = (float((each.rows[0].toarray() ** 2).sum()) for each in (every, few))
    assert 0.98 * whole < part <= whole * (1.0 + 1e-12)
    padded = few.padded(6)
    assert padded.rows[0].shape == (campaign.present.size * 6, room.num_objects)
    np.testing.assert_array_equal(
        padded.rows[0].toarray().reshape(-1, 6, room.num_objects)[:, :4].reshape(-1, 9),
        few.rows[0].toarray(),
    )


def test_a_pool_of_levels_has_a_row_a_link(room: SceneModel) -> None:
    small = CandidateOptions(num_tx=2, num_rx=4, num_draws=2)
    plain = pool_for(room, 1, 2, seed=0, radio=RADIO, candidates=small)
    design = Design(observables="power,delay:10ns")
    more = pool_for(room, 1, 2, seed=0, radio=RADIO, candidates=small, design=design)
    assert (plain.per_link, more.per_link) == (1, 4)
    np.testing.assert_array_equal(more.rows_of(np.array([2])), [8, 9, 10, 11])
    level, both = plain.jacobians[0].toarray() / design.noise_db, more.jacobians[0].toarray()
    for link in range(plain.heard.size):
        own = both[more.rows_of(np.array([link]))]
        # Nearly: the fifth and further directions of a link are left out.
        gained = own.T @ own - np.outer(level[link], level[link])
        assert np.linalg.eigvalsh(gained).min() > -0.02 * (own**2).sum()


def test_what_was_measured_can_be_measured_again(room: SceneModel, campaign: Campaign) -> None:
    power, plans = Design(observables=WORDS).plans
    measured = simulate(
        room, campaign.subset([0]), radio=RADIO, noise_db=1.0, observables=plans, power=power
    )
    words = observable_words(measured).split(",")
    assert [word.partition("@")[0] for word in words] == [
        "power", "delay:10ns/150ns", "mean_delay", "response:4x6.66667mhz", "magnitude:4x6.66667mhz"
    ]  # fmt: skip
    assert words[1].endswith("@2db")
    assert 39.0 < float(words[3].partition("@")[2].removesuffix("db")) < 41.0
    assert observable_words(campaign) == "power"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"observables": "loudness"}, "nothing that is measured"),
        ({"noise_db": -1.0}, "not negative"),
        ({"quantities": ("relative_permittivity",)}, "made for the conductivity"),
        ({"quantities": ("conductivity", "xpd_coefficient")}, "may be unknown"),
        ({"quantities": "conductivity"}, "takes several names"),
    ],
)
def test_a_design_has_to_be_one(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Design(**options)  # type: ignore[arg-type]
