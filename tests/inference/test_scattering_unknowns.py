"""Tests of scattering and XPD coefficients as unknowns."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

import vlmrt_dist as vd
from tests.numerics import materials
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.errors import ConfigurationError, UnsupportedByReplay
from vlmrt_dist.field import Parameter, ReplayObjective, trace
from vlmrt_dist.scene.files.scene_xml import load_scene
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room

RADIO = vd.RadioConfig(max_depth=1, diffuse_reflection=True, scattering_points=150)
WALLS = dict.fromkeys(box_room().names, "all")


def truth(share: float = 0.5) -> SceneModel:
    return box_room().with_materials(
        scattering_coefficient=np.full(9, share), xpd_coefficient=np.zeros(9)
    )


@pytest.fixture(scope="module")
def estimate() -> Any:
    """S of all surfaces together, from simulated levels of a room that scatters."""
    positions = random_campaign(box_room(), 2, 10, seed=4)
    levels = vd.simulate(truth(), positions, radio=RADIO, noise_db=0.02, seed=1)
    return vd.estimate(
        box_room(), levels, radio=RADIO, noise=vd.Noise(db=0.02),
        parameters=vd.Parameters(("scattering_coefficient",), groups=WALLS),
        prior=vd.Prior(width=0.1),
    )  # fmt: skip


def test_the_scattering_coefficient_is_found(estimate: Any) -> None:
    found = estimate.others["scattering_coefficient"]
    assert set(found.verdict) == {"estimated"}
    assert found.holds(np.full(9, 0.5)).all()
    assert (found.high - found.low).max() < 0.3
    np.testing.assert_allclose(found.prior, 0.3, rtol=1e-9)
    assert "Scattering coefficient of 9 objects" in str(estimate)


def test_the_error_by_the_points_is_told(estimate: Any) -> None:
    error = estimate.scattering_error
    assert error.num_links == 20
    assert error.points == 150
    assert 0.0 < error.rms_db < error.worst_db < 2.0
    assert "summed over 150 points a setup, which leaves an error of" in str(estimate)
    assert "give more points (--scattering-points" in str(estimate)  # the noise is 0.02 dB


@pytest.mark.parametrize("name", ["estimate.json", "estimate.parquet"])
def test_files_hold_it(estimate: Any, tmp_path: Path, name: str) -> None:
    from vlmrt_dist.inference import read_estimate, write_estimate

    positions = random_campaign(box_room(), 2, 10, seed=4)
    file = write_estimate(
        estimate, tmp_path / name, scene=box_room(), campaign=positions, radio=RADIO
    )
    again = read_estimate(file).quantities["scattering_coefficient"]
    own = estimate.others["scattering_coefficient"]
    for field in ("value", "low", "high", "prior"):
        np.testing.assert_array_equal(getattr(again, field), getattr(own, field))


@pytest.mark.filterwarnings("ignore:materials:UserWarning", "ignore:material:UserWarning")
def test_a_written_scene_has_it(estimate: Any, tmp_path: Path) -> None:
    value = estimate.others["scattering_coefficient"].value
    estimate.write_scene(tmp_path / "calibrated")
    read = load_scene(tmp_path / "calibrated" / "scene.xml")
    np.testing.assert_allclose(read.scattering_coefficient, value, rtol=1e-6)
    np.testing.assert_array_equal(estimate.calibrated_scene.scattering_coefficient, value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:material")
def test_a_live_scene_is_given_it(estimate: Any, tmp_path: Path) -> None:
    import sionna.rt

    box_room().write(tmp_path / "room")
    live = sionna.rt.load_scene(str(tmp_path / "room" / "scene.xml"), merge_shapes=False)
    estimate.apply(live)
    value = estimate.others["scattering_coefficient"].value
    for name, item in live.objects.items():
        k = box_room().names.index(name)
        assert item.radio_material.scattering_coefficient[0] == pytest.approx(value[k], rel=1e-6)


def test_smooth_surfaces_tell_nothing_of_it() -> None:
    positions = random_campaign(box_room(), 1, 4, seed=4)
    levels = vd.simulate(box_room(), positions, radio=vd.RadioConfig(max_depth=1))
    with pytest.raises(ConfigurationError, match="diffuse_reflection"):
        vd.estimate(
            box_room(), levels, radio=vd.RadioConfig(max_depth=1), noise=vd.Noise(db=1.0),
            parameters=vd.Parameters(("conductivity", "xpd_coefficient")),
        )  # fmt: skip


@pytest.mark.parametrize("name", ["scattering_coefficient", "xpd_coefficient"])
def test_levels_are_differentiated_by_the_logit(name: Parameter) -> None:
    scene, positions = truth(), random_campaign(box_room(), 1, 4, seed=4)
    objective = ReplayObjective(
        scene, positions, RADIO, trace(scene, positions, RADIO), np.ones((1, 1, 4))
    )
    here = materials(scene)._replace(
        scattering_coefficient=scene.scattering_coefficient, xpd_coefficient=scene.xpd_coefficient
    )
    own: FloatArray = getattr(here, name)
    step = 1e-4

    def level(x: FloatArray) -> FloatArray:
        moved = here._replace(**{name: expit(x)})
        return 10.0 * np.log10(objective.levels({RADIO.frequency: moved}, ()).rss.ravel())

    found = objective.levels({RADIO.frequency: here}, (name,)).by[name].toarray()
    for k, unit in enumerate(np.eye(9)):
        x = logit(own)
        difference = (level(x + step * unit) - level(x - step * unit)) / (2.0 * step)
        np.testing.assert_allclose(found[:, k], difference, atol=1e-7)


def test_live_patterns_are_taken_over() -> None:
    from vlmrt_dist.paths import LiveScene
    from vlmrt_dist.scene import live_model
    from vlmrt_dist.scene.scattering_pattern import ScatteringPattern

    pattern = ScatteringPattern("backscattering", 3, 5, 0.5)
    objects = tuple(dataclasses.replace(o, scattering_pattern=pattern) for o in truth().objects[:2])
    scene = dataclasses.replace(truth(), objects=objects)
    read, _ = live_model(LiveScene(scene, RADIO, material_per_object=True).scene)
    assert [o.scattering_pattern for o in read.objects] == [pattern, pattern]


def test_scenes_that_scatter_nothing_are_told() -> None:
    from vlmrt_dist.field import NothingScatters

    positions = random_campaign(box_room(), 1, 3, seed=4)
    radio = RADIO.replace(scattering_points=20)
    with pytest.warns(NothingScatters, match=r"no surface scatters.*with_materials.*--unknown"):
        levels = vd.simulate(box_room(), positions, radio=radio, noise_db=0.1, seed=1)
    with pytest.warns(NothingScatters):
        vd.estimate(box_room(), levels, radio=radio, noise=vd.Noise(db=0.1))


def test_unknown_orientations_beside_scattering_are_refused() -> None:
    positions = random_campaign(box_room(), 1, 3, seed=4)
    levels = positions.with_rss(np.full((1, 3), 1e-9))
    with pytest.raises(UnsupportedByReplay, match=r"orientations.*state them"):
        vd.estimate(
            truth(), levels, radio=RADIO, noise=vd.Noise(db=0.1, orientation_deg={"tx_yaw": 5.0})
        )
