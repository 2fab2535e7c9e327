"""Truths that are more than their model."""

import numpy as np
import pytest

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.studies.benchmarks.mismatch import Counts, MismatchTask, World, flat

RADIO = RadioConfig(max_depth=2)


def test_the_truth_has_what_its_name_says() -> None:
    plain, full = World("none", 1).scene(), World("all", 1).scene()
    assert plain.key == flat().key
    assert not any(o.layered for o in plain.objects)
    assert full.num_objects == plain.num_objects + 6
    assert sum(o.layered is not None for o in full.objects) == 8
    assert World("layers", 1).scene().num_objects == plain.num_objects


def test_a_truth_is_always_the_same_and_each_seed_has_its_own() -> None:
    one, other = (World("furniture", seed).measured(4, 1, RADIO).rss_dbm for seed in (1, 2))
    again = World("furniture", 1).measured(4, 1, RADIO).rss_dbm
    assert one is not None
    assert np.array_equal(one, again)  # type: ignore[arg-type]
    assert not np.array_equal(one, other)  # type: ignore[arg-type]


def test_without_mismatch_the_effective_values_are_the_true_ones() -> None:
    world = World("none", 3)
    error = np.abs(np.log(world.effective(RADIO) / world.sigma()))
    assert error[2:].max() < 0.1
    assert error.max() < 1.0  # floor and ceiling together: the links see them from the same angles


@pytest.mark.slow
def test_intervals_of_new_levels_hold_where_the_model_is_right_and_where_it_is_not() -> None:
    for mismatch, least in (("none", 0.92), ("all", 0.85)):
        task = MismatchTask(mismatch, "clutter", 3, RADIO)  # type: ignore[arg-type]
        counts = task.counts()
        assert counts.links > 300
        assert counts.inside / counts.links > least, mismatch
        assert counts.squares < counts.itu_squares
    assert Counts.of(task.measure("mismatch")) == counts
