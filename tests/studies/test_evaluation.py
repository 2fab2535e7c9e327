"""A study and an estimation are one estimator: the same levels give the same bits."""

import numpy as np
import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.inference import LevenbergMarquardt, Noise, Parameters, Prior, estimate
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.studies import Point, evaluate
from vlmrt_dist.studies.levels import study_levels
from vlmrt_dist.units import watts_to_dbm

PAPER = RadioConfig.paper(max_depth=2)


@pytest.mark.parametrize("noise_db", [0.0, 0.3])
def test_a_point_answers_with_the_bits_of_an_estimation(
    room: SceneModel, campaign: Campaign, noise_db: float
) -> None:
    point = Point("one", room, campaign, PAPER, ("map",), "itu", "same_paths", seeds=(4,),
                  noise_db=noise_db)  # fmt: skip
    (row,) = evaluate(point)
    kept, _, _, rss = study_levels([point]).kept(point)
    found = estimate(
        room,
        kept.with_rss(watts_to_dbm(rss[0])),
        radio=PAPER,
        prior=Prior(0.5),
        noise=Noise(db=noise_db),
        solver=LevenbergMarquardt(folds=0),
    )
    for name in ("low", "high"):
        np.testing.assert_array_equal(getattr(found, name), getattr(row, name))
    np.testing.assert_array_equal(found.fitted, row.conductivity)
    assert list(found.verdict) == row.verdict
    assert (found.iterations, found.outcome) == (row.iterations, row.outcome)


def test_a_point_with_more_unknowns_answers_with_the_bits_of_an_estimation(
    room: SceneModel, campaign: Campaign
) -> None:
    point = Point("more", room, campaign, PAPER, ("map",), "itu", "same_paths", seeds=(4,),
                  noise_db=0.1, unknowns=("conductivity", "relative_permittivity"),
                  groups="material", gain_offset_db=1.0)  # fmt: skip
    (row,) = evaluate(point)
    kept, _, _, rss = study_levels([point]).kept(point)
    found = estimate(
        room,
        kept.with_rss(watts_to_dbm(rss[0])),
        radio=PAPER,
        prior=Prior(0.5),
        parameters=Parameters(("conductivity", "relative_permittivity"), groups="material"),
        noise=Noise(db=0.1, gain_offset_db=1.0),
        solver=LevenbergMarquardt(folds=0),
    )
    np.testing.assert_array_equal(found.fitted, row.conductivity)
    np.testing.assert_array_equal(found.low, row.low)
    np.testing.assert_array_equal(found.others["relative_permittivity"].value, row.permittivity)
