import dataclasses
from typing import get_args

import numpy as np
import pytest

from tests.numerics import PAPER, five_point
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.field.evaluators import ReplayObjective, RetraceObjective
from vlmrt_dist.field.objective import DB, PowerLoss
from vlmrt_dist.paths.path_table import PathTable
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.units import watts_to_dbm


@pytest.fixture(scope="module")
def measured(room: SceneModel, campaign: Campaign, table: PathTable) -> Campaign:
    """Levels of conductivities some percent off the scene's."""
    sigma = room.conductivity(PAPER.frequency) * np.linspace(0.9, 1.1, 9)
    blank = campaign.with_rss(np.zeros((3, 8)))
    rss = ReplayObjective(room, blank, PAPER, table).rss(sigma[None])[0]
    return campaign.with_rss(watts_to_dbm(rss), noise_db=0.1)


@pytest.mark.parametrize("loss", get_args(PowerLoss))
def test_the_gradient_is_that_of_central_differences(
    room: SceneModel, measured: Campaign, table: PathTable, loss: PowerLoss
) -> None:
    objective = ReplayObjective(room, measured, PAPER, table)
    theta = room.conductivity(PAPER.frequency)
    value = objective.value_and_grad(np.stack([1.05 * theta, 1.3 * theta]), loss)
    assert value.loss.shape == (2, 3)
    assert value.gradient.shape == (2, 3, 9)
    for s, factor in enumerate((1.05, 1.3)):
        expected = five_point(
            lambda x: objective.value_and_grad(x[None], loss).loss[0], factor * theta, 1e-4
        )
        size = np.abs(expected).max(1, keepdims=True)
        np.testing.assert_allclose(value.gradient[s] / size, expected / size, rtol=1e-6, atol=1e-8)


def test_the_truth_has_no_loss(room: SceneModel, measured: Campaign, table: PathTable) -> None:
    truth = room.conductivity(PAPER.frequency) * np.linspace(0.9, 1.1, 9)
    value = ReplayObjective(room, measured, PAPER, table).value_and_grad(truth[None])
    assert value.loss.max() < 1e-13


def test_the_log_jacobian_is_in_decibels_by_ln_sigma(
    room: SceneModel, measured: Campaign, table: PathTable
) -> None:
    objective = ReplayObjective(room, measured, PAPER, table)
    theta = room.conductivity(PAPER.frequency)
    rss, jacobian = objective.log_jacobian(theta)
    np.testing.assert_array_equal(rss, objective.rss(theta[None])[0])

    def level(log_sigma: FloatArray) -> FloatArray:
        return DB * np.log(objective.rss(np.exp(log_sigma)[None])[0].ravel())

    expected = five_point(level, np.log(theta), 1e-4)
    np.testing.assert_allclose(jacobian.toarray(), expected, rtol=1e-6, atol=1e-9)


def test_every_vector_may_have_its_own_truth(
    room: SceneModel, measured: Campaign, table: PathTable
) -> None:
    theta = room.conductivity(PAPER.frequency) * np.array([[0.9], [1.0], [1.1]])
    blank = ReplayObjective(room, measured, PAPER, table)
    truths = blank.rss(theta)
    objective = ReplayObjective(room, measured, PAPER, table, measured=truths)
    assert objective.value_and_grad(theta).loss.max() < 1e-14
    one = objective.value_and_grad(theta[1:2])  # one vector against every truth
    assert one.loss.shape == (3, 3)
    assert one.loss[1].max() < 1e-14 < one.loss[0].min()
    shifted = objective.value_and_grad(theta[::-1])
    assert (shifted.loss[[0, 2]] > 1e-4).all()


@pytest.fixture(scope="module")
def ragged(measured: Campaign) -> Campaign:
    """The same measurement without receivers 2 and 6 of the first setup."""
    present = np.ones((3, 8), bool)
    present[0, [1, 5]] = False
    return dataclasses.replace(measured, present=present)


def test_setups_one_by_one_have_the_same_bits(
    room: SceneModel, ragged: Campaign, table: PathTable
) -> None:
    kept = table.rows(ragged.present[table.setup, table.receiver])
    theta = room.conductivity(PAPER.frequency) * np.array([[0.8], [1.0], [1.2]])
    whole = ReplayObjective(room, ragged, PAPER, kept).value_and_grad(theta)
    for m in range(3):
        one = ReplayObjective(room, ragged.subset([m]), PAPER, kept.setups([m]))
        value = one.value_and_grad(theta)
        np.testing.assert_array_equal(value.loss[:, 0], whole.loss[:, m])
        np.testing.assert_array_equal(value.gradient[:, 0], whole.gradient[:, m])


def test_absent_receivers_are_nan_in_powers_and_zero_in_the_jacobian(
    room: SceneModel, ragged: Campaign, table: PathTable
) -> None:
    kept = table.rows(ragged.present[table.setup, table.receiver])
    objective = ReplayObjective(room, ragged, PAPER, kept)
    theta = room.conductivity(PAPER.frequency)
    np.testing.assert_array_equal(np.isnan(objective.rss(theta[None])[0]), ~ragged.present)
    rss, jacobian = objective.log_jacobian(theta)
    np.testing.assert_array_equal(np.isnan(rss), ~ragged.present)
    assert (np.abs(jacobian.toarray()[~ragged.present.ravel()]).sum(1) == 0.0).all()


@pytest.mark.slow
def test_retracing_agrees_with_replaying(
    room: SceneModel, measured: Campaign, table: PathTable
) -> None:
    theta = room.conductivity(PAPER.frequency)
    replayed = ReplayObjective(room, measured, PAPER, table)
    retraced = RetraceObjective(room, measured, PAPER)
    assert (retraced.num_setups, retraced.num_objects) == (3, 9)
    np.testing.assert_allclose(retraced.rss(theta[None]), replayed.rss(theta[None]), rtol=1e-4)
    # At the scene's own conductivities, those that the table was sampled with: others steer
    # Sionna's rays to a slightly different path set.
    ours, theirs = replayed.value_and_grad(theta[None]), retraced.value_and_grad(theta[None])
    np.testing.assert_allclose(theirs.loss, ours.loss, rtol=1e-2)
    size = np.abs(ours.gradient).max(2, keepdims=True)
    np.testing.assert_allclose(theirs.gradient / size, ours.gradient / size, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_ragged_campaign_is_retraced(
    room: SceneModel, ragged: Campaign, table: PathTable
) -> None:
    kept = table.rows(ragged.present[table.setup, table.receiver])
    theta = room.conductivity(PAPER.frequency)
    replayed = ReplayObjective(room, ragged, PAPER, kept)
    retraced = RetraceObjective(room, ragged, PAPER)
    np.testing.assert_allclose(retraced.rss(theta[None]), replayed.rss(theta[None]), rtol=3e-3)
    only = ragged.subset([0])
    ours = ReplayObjective(room, only, PAPER, kept.setups([0])).log_jacobian(theta)
    theirs = RetraceObjective(room, only, PAPER).log_jacobian(theta)
    np.testing.assert_allclose(theirs[0], ours[0], rtol=3e-3)
    size = np.abs(ours[1].toarray()).max()
    np.testing.assert_allclose(theirs[1].toarray() / size, ours[1].toarray() / size, atol=3e-3)
