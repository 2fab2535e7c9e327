"""Figure of powers in delay bins."""

from pathlib import Path

import matplotlib.image
import pytest

import vlmrt_dist as vd
from vlmrt_dist.campaign import Campaign, RadioConfig, parse_observables
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import simulate
from vlmrt_dist.inference import LevenbergMarquardt, Parameters
from vlmrt_dist.report import profile_figure
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=1)


def test_profiles_of_links_are_drawn(room: SceneModel, campaign: Campaign, tmp_path: Path) -> None:
    _, plans = parse_observables("delay:20ns,delay_spread")
    given = simulate(room, campaign, radio=RADIO, observables=plans, power=False)
    found = vd.estimate(
        room, given, radio=RADIO, parameters=Parameters(groups="material"),
        solver=LevenbergMarquardt(posterior="normal", folds=0),
    )  # fmt: skip
    profile_figure(given, found, tmp_path / "profiles.png")
    assert matplotlib.image.imread(tmp_path / "profiles.png").std() > 0.05
    levels = simulate(room, campaign, radio=RADIO, noise_db=1.0)
    known = vd.estimate(room, levels, radio=RADIO, solver=LevenbergMarquardt(folds=0))
    with pytest.raises(ConfigurationError, match="no powers in delay bins"):
        profile_figure(levels, known, tmp_path / "none.png")
