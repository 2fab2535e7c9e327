"""Truths whose surfaces scatter."""

import numpy as np
import pytest

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.studies.benchmarks.rough_surfaces import Errors, RoughTask, measured, true_room

RADIO = RadioConfig(max_depth=1, diffuse_reflection=True, scattering_points=60)


def test_objects_of_one_class_are_alike() -> None:
    scene, sigma = true_room(None, 3)
    for name in set(scene.materials):
        same = np.array(scene.materials) == name
        assert len(set(sigma[same])) == 1
        assert len(set(scene.scattering_coefficient[same])) == 1
    assert len(set(scene.scattering_coefficient)) == len(set(scene.materials))
    assert set(true_room(0.4, 3)[0].scattering_coefficient) == {0.4}


def test_a_truth_is_always_the_same_and_each_seed_has_its_own() -> None:
    scene, sigma = true_room(0.5, 1)
    one, again, other = (measured(scene, sigma, RADIO, seed).rss_dbm for seed in (1, 1, 2))
    assert one is not None
    assert np.array_equal(one, again)  # type: ignore[arg-type]
    assert not np.array_equal(one, other)  # type: ignore[arg-type]


def test_errors_add_up() -> None:
    one, other = Errors(4, 3, 2, 1, 0.5, 0.25), Errors(4, 4, 1, 0, -0.1, 0.01)
    assert one + other == Errors(8, 7, 3, 1, 0.4, 0.26)


@pytest.mark.slow
def test_a_smooth_model_errs_where_the_truth_scatters() -> None:
    radio = RADIO.replace(scattering_points=500)  # few points are a wrong model by themselves
    smooth, _ = RoughTask(0.6, "smooth", 3, radio).errors()
    known, _ = RoughTask(0.6, "known", 3, radio).errors()
    assert smooth.squares / smooth.told > 2.0 * known.squares / known.told
    task = RoughTask(0.6, "unknown", 1, RADIO)
    assert RoughTask.found(task.measure("scattering")) == task.errors()
