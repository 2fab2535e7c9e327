from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp

from tests.numerics import PAPER
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.inference.least_squares import NO_PRIOR_WIDTH, LeastSquares
from vlmrt_dist.inference.likelihood import Information, noise_scale
from vlmrt_dist.inference.options import Parameters, Prior
from vlmrt_dist.inference.posterior import (
    MIN_NOISE_DB,
    NORMAL_95,
    SMALL,
    Posterior,
    inverse,
    posterior,
)
from vlmrt_dist.scene.model import SceneModel

pytestmark = pytest.mark.filterwarnings("ignore:Sionna's solver drops paths")
"""Positions that are placed for the paper's sampled paths may lie in a corner; whether Sionna says
so is tested in tests/paths/test_sionna_limits.py."""

BOUNDS = (float(np.log(1e-5)), float(np.log(1e3)))


def of(
    jacobian: FloatArray,
    noise: float | FloatArray = 1.0,
    width: float | FloatArray = 0.5,
    x: float = float(np.log(0.03)),
) -> Posterior:
    matrix = np.atleast_2d(jacobian)
    links, count = matrix.shape
    weight = np.broadcast_to(1.0 / np.asarray(noise) ** 2, links)
    data = LeastSquares(
        np.zeros(links), np.ones(links), np.ones(links, bool), np.full(count, np.log(0.03)), width,
        *BOUNDS,
    )  # fmt: skip
    information = Information(weight, weight)
    return posterior(sp.csr_matrix(matrix), information, np.full(count, x), data)


def test_one_parameter_by_hand() -> None:
    """Two links of 3 and 4 dB per neper at 0.5 dB: information 100, and 4 from the prior."""
    found = of(np.array([[3.0], [4.0]]), noise=0.5, width=0.5)
    np.testing.assert_allclose(found.std, [1.0 / np.sqrt(104.0)])
    np.testing.assert_allclose(found.covariance, [[1.0 / 104.0]])
    np.testing.assert_allclose(found.prior_std, [0.5])


def test_two_parameters_by_hand() -> None:
    """One link that sees the sum: the information is [[5, 4], [4, 5]], its inverse over 9."""
    found = of(np.array([[2.0, 2.0]]), width=1.0)
    np.testing.assert_allclose(found.covariance, np.array([[5.0, -4.0], [-4.0, 5.0]]) / 9.0)
    np.testing.assert_allclose(found.std, np.sqrt([5.0 / 9.0, 5.0 / 9.0]))


def test_links_of_different_noise() -> None:
    found = of(np.array([[1.0], [1.0]]), noise=np.array([0.1, 10.0]), width=np.inf)
    information = 100.0 + 0.01 + 1.0 / NO_PRIOR_WIDTH**2
    np.testing.assert_allclose(found.std, [information**-0.5])


def test_an_object_no_link_sees_keeps_the_prior() -> None:
    found = of(np.array([[30.0, 0.0], [20.0, 0.0]]))
    np.testing.assert_allclose(found.std[1], 0.5)


@pytest.mark.parametrize("width", [0.5, np.inf])
def test_two_objects_seen_only_together_are_not_told_apart(width: float) -> None:
    found = of(np.array([[300.0, 300.0], [500.0, 500.0]]), width=width)
    prior = min(width, NO_PRIOR_WIDTH)
    np.testing.assert_allclose(found.std, prior / np.sqrt(2.0), rtol=1e-5)
    total = np.array([1.0, 1.0]) @ found.covariance @ [1.0, 1.0]
    assert total < 1e-4  # their product is known well


def test_no_data_at_all() -> None:
    found = of(np.zeros((0, 3)))
    np.testing.assert_allclose(found.std, 0.5)


def test_what_the_links_determined_is_counted() -> None:
    """A link that tells far more than the prior counts for one unknown, however many it sees."""
    assert of(np.array([[300.0, 300.0]])).unknowns == pytest.approx(1.0, abs=1e-3)
    assert of(np.array([[300.0, 0.0], [0.0, 300.0]])).unknowns == pytest.approx(2.0, abs=1e-3)
    assert of(np.array([[2.0]]), width=0.5).unknowns == pytest.approx(0.5)  # as much as the prior
    assert of(np.zeros((1, 2))).unknowns == 0.0


def test_a_sandwich_is_what_scattered_estimates_show() -> None:
    """x̂ = h⁻¹ Σ a ψ with var ψ twice its curvature: twice the variance, but never above the
    prior's."""
    matrix = sp.csr_matrix([[3.0], [4.0]])
    data = LeastSquares(np.zeros(2), np.ones(2), np.ones(2, bool), np.zeros(1), 0.5, *BOUNDS)
    found = posterior(matrix, Information(np.ones(2), 2.0 * np.ones(2)), np.zeros(1), data)
    information = 25.0 + 4.0
    np.testing.assert_allclose(found.std, [np.sqrt(2.0 * 25.0 + 4.0) / information])
    wild = posterior(matrix, Information(1e-9 * np.ones(2), np.ones(2)), np.zeros(1), data)
    np.testing.assert_allclose(wild.std, [0.5])


@pytest.mark.parametrize("islands", [1, 7, 40])
def test_unknowns_that_share_no_link_are_told_apart_as_one_matrix_would(islands: int) -> None:
    """Links that see objects of one island only, the islands' objects mixed up in the numbering."""
    assert SMALL < 159  # which are seen
    rng = np.random.default_rng(islands)
    rows = np.zeros((300, 160))
    for row in rows:
        mine = np.flatnonzero(np.arange(160) % islands == rng.integers(islands))
        row[rng.choice(mine, min(3, len(mine)), replace=False)] = rng.normal(size=min(3, len(mine)))
    rows[:, 40] = 0.0  # and one that no link sees
    found = of(rows, noise=0.3, width=0.5)
    seen = np.flatnonzero(found.seen)
    information = rows[:, seen].T @ rows[:, seen] / 0.09 + 4.0 * np.eye(len(seen))
    np.testing.assert_allclose(found.covariance, np.linalg.inv(information), rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(found.covariance, found.covariance.T)
    np.testing.assert_allclose(found.full_covariance[40], 0.25 * (np.arange(160) == 40))
    np.testing.assert_allclose(found.std**2, np.diag(found.full_covariance))


def test_a_matrix_that_is_not_positive_definite_is_refused() -> None:
    for matrix in ([[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.0], [0.0, -1.0]]):
        for copies in (1, SMALL):  # the second as islands
            with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
                inverse(sp.csr_matrix(np.kron(np.eye(copies), matrix)))


def test_the_smallest_noise_leaves_a_well_posed_problem() -> None:
    rng = np.random.default_rng(0)
    jacobian = rng.normal(size=(40, 30)) * 10.0 ** rng.uniform(-6, 2, 30)
    found = of(jacobian, noise=MIN_NOISE_DB, width=np.inf)
    assert np.isfinite(found.std).all()
    assert (found.std > 0.0).all()
    assert (found.std <= NO_PRIOR_WIDTH * (1 + 1e-9)).all()


def test_residuals_beyond_the_noise_widen_it() -> None:
    residual = np.array([3.0, -3.0, 3.0, -3.0])
    # Times the 97.5 % quantile of Student's t over that of the normal distribution.
    np.testing.assert_allclose(noise_scale(residual, 0.0), 3.0 * 2.776445 / 1.959964, rtol=1e-5)
    np.testing.assert_allclose(noise_scale(residual, 3.0), 6.0 * 12.706205 / 1.959964, rtol=1e-5)
    assert noise_scale(0.1 * residual, 0.0) == 1.0  # smaller ones do not narrow it
    assert np.isnan(noise_scale(residual, 3.5))  # nothing left to judge by
    assert np.isnan(noise_scale(np.zeros(0), 0.0))


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say(
    room: SceneModel, well_placed: Callable[[RadioConfig], Campaign]
) -> None:
    """200 truths drawn from the prior, 0.1 dB of noise: 95 % of the intervals hold theirs.

    Replay only: the levels are drawn from one table, and fitted with the same prior.
    """
    from vlmrt_dist.field.evaluators import ReplayObjective
    from vlmrt_dist.field.tracing import trace
    from vlmrt_dist.inference.conductivity_prior import prior_of
    from vlmrt_dist.inference.multistart import search
    from vlmrt_dist.inference.unknown_vector import unknowns_of
    from vlmrt_dist.units import watts_to_dbm

    campaign = well_placed(PAPER)
    objective = ReplayObjective(
        room, campaign.with_rss(np.zeros((3, 8))), PAPER, trace(room, campaign, PAPER)
    )
    width, noise = 0.2, 0.1
    unknowns = unknowns_of(room, campaign, PAPER, prior_of(room, PAPER, Prior(width)), Parameters())
    predict = unknowns.predict(objective)
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        truth = unknowns.mean + width * rng.standard_normal(9)
        level = watts_to_dbm(objective.rss(np.exp(truth)[None])[0].ravel())
        data = LeastSquares(
            level_dbm=level + noise * rng.standard_normal(24),
            noise_db=np.full(24, noise),
            used=np.ones(24, bool),
            prior=unknowns.mean,
            prior_width=width,
            low=unknowns.low,
            high=unknowns.high,
        )
        fit = search(predict, data, unknowns.mean[None]).fit
        inside.append(np.abs(fit.x - truth) <= NORMAL_95 * fit.knowledge.std)
    assert 0.92 <= np.mean(inside) <= 0.98
    assert (np.mean(inside, axis=0) >= 0.88).all()  # no object by itself is far off


@pytest.mark.parametrize("links", [1, 24])
def test_a_dense_jacobian_gives_the_bits_of_a_sparse_one(links: int) -> None:
    rng = np.random.default_rng(links)
    jacobian = rng.standard_normal((links, 6)) * (rng.random((links, 6)) < 0.5)
    jacobian[:, 2] = 0.0
    weight = rng.uniform(0.5, 2.0, links)
    data = LeastSquares(
        np.zeros(links), np.ones(links), np.ones(links, bool), np.zeros(6), np.array([0.5] * 6)
    )
    for information in (Information(weight, weight), Information(weight, 1.5 * weight)):
        sparse, dense = (
            posterior(rows, information, np.zeros(6), data)
            for rows in (sp.csr_matrix(jacobian), np.asfortranarray(jacobian))
        )
        np.testing.assert_array_equal(dense.seen, sparse.seen)
        np.testing.assert_array_equal(dense.std, sparse.std)
        np.testing.assert_array_equal(dense.covariance, sparse.covariance)
