import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.numerics import PAPER
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import CampaignError, SceneError
from vlmrt_dist.field import MapPlane, Materials, path_lengths, simulate
from vlmrt_dist.inference import (
    Estimate,
    LevenbergMarquardt,
    Noise,
    Parameters,
    RadioMap,
    estimate,
    radio_map,
)
from vlmrt_dist.scene import SceneModel, SceneObject

RADIO = RadioConfig(max_depth=2)
PLANE = MapPlane(height=0.6, cell_size=1.25)
TX = np.array([-0.3, 0.2, 2.1])


@pytest.fixture(scope="module")
def measured(room: SceneModel, campaign: Campaign) -> Campaign:
    return simulate(room, campaign, radio=RADIO, noise_db=0.5, seed=3)


@pytest.fixture(scope="module")
def result(room: SceneModel, measured: Campaign) -> Estimate:
    return estimate(
        room, measured, radio=RADIO, noise=Noise(0.5), solver=LevenbergMarquardt(folds=0)
    )


@pytest.fixture(scope="module")
def found(room: SceneModel, result: Estimate) -> RadioMap:
    return radio_map(room, TX, estimate=result, plane=PLANE, radio=RADIO)


def test_levels_are_those_that_a_simulation_gives(
    room: SceneModel, result: Estimate, found: RadioMap
) -> None:
    there = np.isfinite(found.prior_dbm[0])
    cells = Campaign(TX[None], found.cell_centers[there][None])
    before = simulate(room, cells, radio=RADIO)
    after = simulate(room.with_materials(conductivity=result.conductivity), cells, radio=RADIO)
    assert found.calibrated_dbm is not None
    assert before.rss_dbm is not None
    assert after.rss_dbm is not None
    np.testing.assert_array_equal(found.prior_dbm[0][there], before.rss_dbm[0])
    np.testing.assert_array_equal(found.calibrated_dbm[0][there], after.rss_dbm[0])
    assert found.difference_db is not None
    assert np.nanmax(np.abs(found.difference_db)) > 0.01


def test_the_standard_deviation_is_the_posterior_s_through_the_levels(
    room: SceneModel, result: Estimate, found: RadioMap
) -> None:
    """Against finite differences of whole maps."""
    step, columns = 1e-4, []
    assert found.calibrated_dbm is not None
    for k in range(room.num_objects):
        moved = result.conductivity * np.exp(step * (np.arange(room.num_objects) == k))
        other = radio_map(
            room, TX, estimate=dataclasses.replace(result, conductivity=moved), plane=PLANE,
            radio=RADIO,
        )  # fmt: skip
        assert other.calibrated_dbm is not None
        columns.append((other.calibrated_dbm - found.calibrated_dbm).ravel() / step)
    jacobian = np.array(columns).T
    variance = np.einsum("pi,ij,pj->p", jacobian, result.covariance, jacobian)
    assert found.calibrated_std_db is not None
    np.testing.assert_allclose(found.calibrated_std_db.ravel(), np.sqrt(variance), rtol=1e-3)


@pytest.mark.slow
def test_all_unknowns_enter_and_the_prior_is_wider(room: SceneModel, measured: Campaign) -> None:
    both = estimate(
        room, measured, radio=RADIO, noise=Noise(0.5, gain_offset_db=1.0),
        solver=LevenbergMarquardt(folds=0),
        parameters=Parameters(("conductivity", "relative_permittivity"), groups="material"),
    )  # fmt: skip
    assert both.joint is not None
    found = radio_map(room, TX, estimate=both, plane=PLANE, radio=RADIO)
    step, columns = 1e-6, []
    covariance = both.joint.matrix[:-3, :-3]  # the offsets of three setups are no part of a map
    for x in range(len(covariance)):
        of = {q: e == x for q, e in both.joint.entry.items() if (e == x).any()}
        [(quantity, members)] = of.items()
        factor = np.exp(step * members)
        change: dict[str, Any] = {"conductivity": both.conductivity * factor}
        if quantity != "conductivity":
            value = both.others[quantity]
            moved = dataclasses.replace(value, value=value.value * factor)
            change = {"others": {quantity: moved}}
        other = radio_map(
            room, TX, estimate=dataclasses.replace(both, **change), plane=PLANE, radio=RADIO
        )
        columns.append((other.level_dbm - found.level_dbm).ravel() / step)
    jacobian = np.array(columns).T
    variance = np.einsum("pi,ij,pj->p", jacobian, covariance, jacobian)
    np.testing.assert_allclose(found.std_db.ravel(), np.sqrt(variance), rtol=2e-3)
    assert np.nanmedian(found.std_db / found.prior_std_db) < 0.9


def test_an_excess_loss_is_part_of_the_calibrated_map(room: SceneModel, measured: Campaign) -> None:
    lossy = estimate(
        room, measured, radio=RADIO, noise=Noise(0.5, excess_loss_db_per_m=1.0),
        solver=LevenbergMarquardt(folds=0, posterior="normal"),
    )  # fmt: skip
    assert lossy.excess_loss is not None
    assert lossy.joint is not None
    calibration, joint = lossy.calibration, lossy.joint
    entry = joint.quantity.index("excess_loss")

    def at_loss(value: float) -> RadioMap:
        moved = joint._replace(x=np.where(np.arange(len(joint.x)) == entry, value, joint.x))
        other = dataclasses.replace(calibration, joint=moved)
        return radio_map(room, TX, estimate=other, plane=PLANE, radio=RADIO)

    found = radio_map(room, TX, estimate=lossy, plane=PLANE, radio=RADIO)
    there = np.isfinite(found.prior_dbm[0])
    cells = Campaign(TX[None], found.cell_centers[there][None])
    at = RADIO.frequency
    known = Materials(room.conductivity(at), room.relative_permittivity(at), room.thickness)
    length = path_lengths(room, cells, RADIO, {at: known})[0]
    lost = (at_loss(0.0).level_dbm - found.level_dbm)[0][there]
    np.testing.assert_allclose(lost, lossy.excess_loss.value * length, rtol=1e-9)
    # The variance of a level: materials, loss, and twice the covariance of both.
    alone = dataclasses.replace(calibration, joint=joint._replace(quantity=()))
    of_materials = radio_map(room, TX, estimate=alone, plane=PLANE, radio=RADIO)
    np.testing.assert_array_equal(of_materials.prior_dbm, found.prior_dbm)
    np.testing.assert_array_equal(of_materials.level_dbm, at_loss(0.0).level_dbm)
    spread = joint.matrix.copy()
    spread[entry], spread[:, entry] = 0.0, 0.0
    spread[entry, entry] = joint.matrix[entry, entry]
    apart = dataclasses.replace(calibration, joint=joint._replace(matrix=spread))
    independent = radio_map(room, TX, estimate=apart, plane=PLANE, radio=RADIO)
    more = independent.std_db[0][there] ** 2 - of_materials.std_db[0][there] ** 2
    np.testing.assert_allclose(more, joint.matrix[entry, entry] * length**2, rtol=1e-6)
    assert not np.allclose(found.std_db[0][there], independent.std_db[0][there])


def test_cells_in_objects_and_cells_that_no_path_reaches_have_no_level(room: SceneModel) -> None:
    straight = RadioConfig(max_depth=0)
    found = radio_map(room, TX, plane=MapPlane(height=0.6, cell_size=0.5), radio=straight)
    level = found.level_dbm[0]
    assert np.isnan(level[~found.free]).all()
    assert (~found.free).any()
    starts = np.broadcast_to(TX, found.cell_centers.reshape(-1, 3).shape)
    segment, _, _ = room.crossings(starts, found.cell_centers.reshape(-1, 3))
    hidden = np.bincount(segment, minlength=level.size).reshape(level.shape) > 0
    assert (hidden & found.free).any()
    np.testing.assert_array_equal(np.isnan(level), hidden | ~found.free)
    np.testing.assert_array_equal(np.isnan(found.path_gain[0]), np.isnan(level))
    assert found.calibrated_dbm is None
    assert found.difference_db is None


def test_a_path_along_a_face_leaves_its_cells_out_only() -> None:
    """The transmitter stands in the plane of a sheet: beside its edge nothing is defined."""
    corner = np.array([[0, 0, 0], [2, 0, 0], [2, 0, 2], [0, 0, 2]], float)
    wall = SceneObject("wall", "brick", corner, np.array([[0, 1, 2], [0, 2, 3]], np.int32))
    scene = SceneModel("sheet", (wall,), np.array([[-3.0, -2.0, 0.0], [5.0, 2.0, 3.0]]))
    found = radio_map(
        scene,
        [-1.0, 0.0, 1.0],
        plane=MapPlane(1.0, 0.5, "-3 -1.25 5 -1.25 5 1.25 -3 1.25"),
        radio=RADIO,
    )
    level = found.level_dbm[0]
    row = np.flatnonzero(np.abs(found.y) < 1e-9)
    assert len(row) == 1
    assert np.isfinite(np.delete(level, row, axis=0)).all()


def test_the_layout_is_that_of_sionna_s_radio_map(found: RadioMap) -> None:
    assert found.path_gain.shape == found.rss.shape == (1, 8, 8)
    assert found.cell_centers.shape == (8, 8, 3)
    assert (found.cell_centers[0, 1] - found.cell_centers[0, 0]).tolist() == [1.25, 0.0, 0.0]
    there = np.isfinite(found.rss)
    watts = 10.0 ** ((RADIO.tx_power_dbm - 30.0) / 10.0)
    np.testing.assert_allclose(found.path_gain[there] * watts, found.rss[there])


def test_what_cannot_be_is_refused(room: SceneModel, result: Estimate) -> None:
    with pytest.raises(CampaignError, match="inside object"):
        radio_map(room, [3.0, 3.0, 0.3])
    with pytest.raises(CampaignError, match="not finite"):
        radio_map(room, [np.nan, 0.0, 1.0])
    with pytest.raises(CampaignError, match="position"):
        radio_map(room, [0.0, 1.0])
    with pytest.raises(SceneError, match="other objects"):
        radio_map(room, TX, estimate=dataclasses.replace(result, names=("a",) * 9))


@pytest.mark.slow
def test_levels_are_those_of_sionna_s_own_solver(room: SceneModel, found: RadioMap) -> None:
    from vlmrt_dist.paths import LiveScene

    live = LiveScene(room, PAPER.replace(max_depth=2, samples_per_src=1_000_000))
    there = np.isfinite(found.prior_dbm[0])
    cells = found.cell_centers[there][::7]
    live.place(TX, cells)
    paths = live.solve(1)
    real, imaginary = (np.array(part.numpy(), np.float64) for part in paths.a)
    gain = (real**2 + imaginary**2).reshape(len(cells), -1).sum(axis=1)
    np.testing.assert_allclose(
        10.0 * np.log10(gain) + RADIO.tx_power_dbm, found.prior_dbm[0][there][::7], atol=1e-3
    )


@pytest.mark.slow
def test_cells_are_those_of_sionna_s_radio_map(room: SceneModel) -> None:
    from vlmrt_dist.paths import LiveScene, rt

    live = LiveScene(room, RADIO)
    live.place(TX, np.array([[3.0, 0.0, 1.5]]))
    theirs = rt.RadioMapSolver()(
        live.scene, center=[0.0, 0.0, 1.5], orientation=[0.0, 0.0, 0.0], size=[10.0, 10.0],
        cell_size=[0.8, 0.8], samples_per_tx=1000, max_depth=1,
    )  # fmt: skip
    ours = radio_map(room, TX, plane=MapPlane(height=1.5, cell_size=0.8), radio=RADIO)
    assert np.array(theirs.path_gain).shape == ours.path_gain.shape
    np.testing.assert_allclose(np.array(theirs.cell_centers), ours.cell_centers, atol=1e-5)
