from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vlmrt_dist as vd
from tests.numerics import PAPER
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import ConfigurationError
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
        ("chair", {}, "no object is named 'chair'; the objects are floor, "),
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
