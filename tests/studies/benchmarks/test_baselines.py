"""What replay is compared with computes the same loss and gradient."""

import numpy as np
import pytest

import vlmrt_dist as vd
from tests.numerics import PAPER
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.field.evaluators import ReplayObjective
from vlmrt_dist.field.simulation import perturbed
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.paths.path_table import TRANSMISSION

ROOM = vd.box_room()
POSITIONS = random_campaign(ROOM, 2, 4, seed=0)
ITU = ROOM.conductivity(PAPER.frequency)
TRUTH = perturbed(ITU, seed=0)


def replay(radio: vd.RadioConfig, *, reflections: bool = False) -> ReplayObjective:
    table = trace(ROOM, POSITIONS, radio)
    if reflections:
        table = table.rows(~(table.kind == TRANSMISSION).any(axis=1))
    blank = POSITIONS.with_rss(np.zeros(POSITIONS.present.shape))
    rss = ReplayObjective(ROOM, blank, radio, table).rss(TRUTH[None])
    return ReplayObjective(ROOM, blank, radio, table, measured=rss)


@pytest.mark.slow
def test_a_users_loop_has_the_loss_and_gradient_of_replay_and_takes_adams_steps() -> None:
    from vlmrt_dist.studies.benchmarks.baselines import UsualLoop

    radio = PAPER.replace(max_depth=1, samples_per_src=100_000)  # where solves find the same paths
    start, rate = 1.05 * ITU, 1e-4
    loop = UsualLoop(ROOM, POSITIONS, radio, TRUTH, start, rate)
    found, wanted = loop.value_and_grad(start[None]), replay(radio).value_and_grad(start[None])
    np.testing.assert_allclose(found.loss.sum(), wanted.loss.sum(), rtol=1e-3)
    gradient = wanted.gradient.sum(axis=1)
    np.testing.assert_allclose(
        found.gradient.sum(axis=1), gradient, rtol=1e-3, atol=1e-4 * np.abs(gradient).max()
    )
    np.testing.assert_allclose(loop.theta, start, rtol=1e-6)
    loop.step()
    moved = np.abs(gradient[0]) > 1e-3
    np.testing.assert_allclose(
        (loop.theta - start)[moved], -rate * np.sign(gradient[0, moved]), rtol=1e-2
    )


@pytest.mark.slow
def test_differt_has_the_loss_and_gradient_of_replay() -> None:
    pytest.importorskip("differt", reason="the extra bench is not installed")
    from vlmrt_dist.studies.benchmarks.baselines import DiffeRT

    radio = vd.RadioConfig(max_depth=2)
    other, ours = DiffeRT(ROOM, POSITIONS, radio, TRUTH), replay(radio, reflections=True)
    np.testing.assert_allclose(other.rss(ITU[None]), ours.rss(ITU[None]), rtol=1e-4)
    one, two = other.value_and_grad(ITU[None]), ours.value_and_grad(ITU[None])
    np.testing.assert_allclose(one.loss.sum(), two.loss.sum(), rtol=1e-4)
    np.testing.assert_allclose(one.gradient.sum(axis=1), two.gradient.sum(axis=1), atol=1e-4)
