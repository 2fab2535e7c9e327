from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vlmrt_dist as vd
from tests.numerics import PAPER
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference.importance_check import check_posterior
from vlmrt_dist.inference.least_squares import LeastSquares
from vlmrt_dist.inference.multistart import fit_with_prior_check
from vlmrt_dist.inference.options import LevenbergMarquardt, Noise, Parameters
from vlmrt_dist.inference.profile_likelihood import THRESHOLD
from vlmrt_dist.scene.model import SceneModel

RADIO = PAPER.replace(combining="coherent")


@pytest.fixture(scope="module")
def measured(room: SceneModel, well_placed: Callable[[vd.RadioConfig], Campaign]) -> Campaign:
    return vd.simulate(room, well_placed(RADIO), radio=RADIO, noise_db=0.1, seed=1)


@pytest.mark.slow
def test_where_the_levels_are_linear_the_profile_is_the_interval(
    room: SceneModel, measured: Campaign
) -> None:
    found = vd.estimate(room, measured, radio=RADIO, solver=LevenbergMarquardt(folds=0))
    box = room.names.index("box_chipboard")
    assert found.verdict[box] == "estimated"
    seen = vd.profile(room, measured, "box_chipboard", points=21, radio=RADIO)
    assert (np.diff(seen.values) > 0.0).all()
    assert seen.chi2.min() >= -1e-6
    np.testing.assert_allclose([seen.low, seen.high], [found.low[box], found.high[box]], rtol=0.03)
    np.testing.assert_allclose(seen.best, found.conductivity[box], rtol=0.02)
    at_ends = np.interp(np.log([seen.low, seen.high]), np.log(seen.values), seen.chi2)
    np.testing.assert_allclose(at_ends, THRESHOLD, rtol=0.15)
    assert "box_chipboard: conductivity" in str(seen)


@pytest.mark.slow
def test_an_object_that_the_links_do_not_tell_has_an_open_profile(
    room: SceneModel, measured: Campaign
) -> None:
    seen = vd.profile(room, measured, "box_marble", points=9, radio=RADIO, noise=Noise(db=30.0))
    assert seen.low == -np.inf
    assert seen.high == np.inf
    assert "set no bound" in str(seen)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("chair", {}, "no object is named 'chair'"),
        ("floor", {"points": 3}, "5 points"),
        ("floor", {"quantity": "thickness"}, "not among the unknown quantities"),
        ("floor", {"parameters": Parameters(fixed=("floor",))}, "floor is fixed"),
    ],
)
def test_what_cannot_be_profiled(
    room: SceneModel, campaign: Campaign, name: str, options: dict[str, Any], message: str
) -> None:
    levels = campaign.with_rss(np.full((3, 8), -40.0))
    with pytest.raises(ConfigurationError, match=message):
        vd.profile(room, levels, name, radio=RADIO, **options)


def toy(bend: float) -> tuple[Any, LeastSquares]:
    """Two levels of two unknowns; ``bend`` makes them curved."""
    import scipy.sparse as sp

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        level = np.array([x[0] + bend * x[0] ** 3, x[0] + x[1]])
        slope = [[1.0 + 3.0 * bend * x[0] ** 2, 0.0], [1.0, 1.0]]
        return level, sp.csr_matrix(slope)

    data = LeastSquares(np.zeros(2), np.ones(2), np.ones(2, bool), np.zeros(2), 2.0, -20.0, 20.0)
    return predict, data


def test_draws_agree_with_a_normal_posterior() -> None:
    predict, data = toy(0.0)
    fit = fit_with_prior_check(predict, data, np.zeros((1, 2)))
    check = check_posterior(predict, data, fit, np.random.default_rng(0), draws=4000)
    assert check.reliable
    assert check.effective > 2000
    assert not check.disagreeing.any()
    np.testing.assert_allclose(check.high, 1.96 * fit.knowledge.std, rtol=0.1)


def test_draws_tell_where_a_posterior_is_not_normal() -> None:
    """Flat in the middle, x³ outside: the interval by the slope is far too wide."""
    predict, data = toy(3.0)
    fit = fit_with_prior_check(predict, data, np.zeros((1, 2)))
    check = check_posterior(predict, data, fit, np.random.default_rng(0), draws=4000)
    assert check.reliable
    assert check.disagreeing[0]
    assert check.high[0] < 0.7 * 1.96 * fit.knowledge.std[0]
