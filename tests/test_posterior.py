# ruff: noqa: F401, F811  (pytest finds imported fixtures by their names)
import numpy as np
import pytest
import scipy.sparse as sp
from numerics import PAPER, Array, path_cache, room

from vlmrt_dist.posterior import (
    MIN_NOISE_DB,
    NO_PRIOR_WIDTH,
    NORMAL_95,
    noise_scale,
    posterior,
)
from vlmrt_dist.scene import SceneModel

BOUNDS = (1e-5, 1e3)


def of(jacobian: Array, noise: float = 1.0, width: float = 0.5, **changes: object):
    matrix = np.atleast_2d(jacobian)
    count = matrix.shape[1]
    values: dict[str, object] = {
        "theta": np.full(count, 0.03),
        "free": np.ones(count, bool),
        "bounds": BOUNDS,
    }
    return posterior(
        sp.csr_matrix(matrix),
        np.full(len(matrix), noise),
        prior_width=width,
        **{**values, **changes},  # type: ignore[arg-type]
    )


def test_one_parameter_by_hand() -> None:
    """Two links of 3 and 4 dB per neper at 0.5 dB: information 100, and 4 from the prior."""
    found = of(np.array([[3.0], [4.0]]), noise=0.5, width=0.5)
    np.testing.assert_allclose(found.std, [1.0 / np.sqrt(104.0)])
    np.testing.assert_allclose(found.covariance, [[1.0 / 104.0]])
    np.testing.assert_allclose(found.prior_std, [0.5])
    assert found.verdict == ("estimated",)


def test_two_parameters_by_hand() -> None:
    """One link that sees the sum: the information is [[5, 4], [4, 5]], its inverse over 9."""
    found = of(np.array([[2.0, 2.0]]), width=1.0)
    np.testing.assert_allclose(found.covariance, np.array([[5.0, -4.0], [-4.0, 5.0]]) / 9.0)
    np.testing.assert_allclose(found.std, np.sqrt([5.0 / 9.0, 5.0 / 9.0]))
    assert found.verdict == ("weak", "weak")


def test_links_of_different_noise() -> None:
    found = posterior(
        sp.csr_matrix([[1.0], [1.0]]), np.array([0.1, 10.0]), np.array([0.03]), np.array([True]),
        np.inf, BOUNDS,
    )  # fmt: skip
    information = 100.0 + 0.01 + 1.0 / NO_PRIOR_WIDTH**2
    np.testing.assert_allclose(found.std, [information**-0.5])


def test_an_object_no_link_sees_keeps_the_prior() -> None:
    found = of(np.array([[30.0, 0.0], [20.0, 0.0]]))
    assert found.verdict == ("estimated", "unidentifiable")
    np.testing.assert_allclose(found.std[1], 0.5)


@pytest.mark.parametrize("width", [0.5, np.inf])
def test_two_objects_seen_only_together_are_not_told_apart(width: float) -> None:
    found = of(np.array([[300.0, 300.0], [500.0, 500.0]]), width=width)
    prior = min(width, NO_PRIOR_WIDTH)
    np.testing.assert_allclose(found.std, prior / np.sqrt(2.0), rtol=1e-5)
    assert set(found.verdict) == {"weak" if width == 0.5 else "unidentifiable"}
    total = np.array([1.0, 1.0]) @ found.covariance @ [1.0, 1.0]
    assert total < 1e-4  # their product is known well


@pytest.mark.parametrize(
    ("share", "verdict"),
    [
        (0.1, "estimated"),
        (0.49, "estimated"),
        (0.51, "weak"),
        (0.89, "weak"),
        (0.91, "unidentifiable"),
    ],
)
def test_verdicts_by_the_share_of_the_prior_that_is_left(share: float, verdict: str) -> None:
    width = 0.5
    slope = np.sqrt(1.0 / (share * width) ** 2 - 1.0 / width**2)
    found = of(np.array([[slope]]), width=width)
    np.testing.assert_allclose(found.std, [share * width])
    assert found.verdict == (verdict,)


@pytest.mark.parametrize("value", [1e-5, 1e3])
def test_an_estimate_at_the_end_of_the_range_is_saturated(value: float) -> None:
    assert of(np.array([[30.0]]), theta=np.array([value])).verdict == ("saturated",)
    assert of(np.array([[0.0]]), theta=np.array([value])).verdict == ("unidentifiable",)


def test_fixed_objects_have_no_spread() -> None:
    free = np.array([True, False])
    found = of(np.array([[30.0, 50.0]]), free=free)
    assert found.verdict == ("estimated", "fixed")
    assert found.std[1] == found.prior_std[1] == 0.0
    assert found.covariance.shape == (1, 1)
    np.testing.assert_allclose(found.std[0], of(np.array([[30.0]])).std[0])


def test_no_data_at_all() -> None:
    found = posterior(
        sp.csr_matrix((0, 3)), np.zeros(0), np.full(3, 0.03), np.ones(3, bool), 0.5, BOUNDS
    )
    np.testing.assert_allclose(found.std, 0.5)
    assert set(found.verdict) == {"unidentifiable"}


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
def test_intervals_cover_the_truth_as_often_as_they_say(room: SceneModel) -> None:
    """200 truths drawn from the prior, 0.1 dB of noise: 95 % of the intervals hold theirs.

    Replay only: the levels are drawn from one table, and fitted with the same prior.
    """
    from vlmrt_dist.fitting import fit_doubting_prior
    from vlmrt_dist.objective import ReplayObjective
    from vlmrt_dist.optimizers import LeastSquares
    from vlmrt_dist.placement import place
    from vlmrt_dist.tracing import trace
    from vlmrt_dist.units import watts_to_dbm

    campaign = place("d_optimal", room, 3, 8, seed=0, noise_db=0.1)
    objective = ReplayObjective(
        room, campaign.with_rss(np.zeros((3, 8))), PAPER, trace(room, campaign, PAPER)
    )
    prior, width, noise = room.conductivity(PAPER.frequency), 0.2, 0.1
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        truth = prior * np.exp(width * rng.standard_normal(9))
        level = watts_to_dbm(objective.rss(truth[None])[0].ravel())
        data = LeastSquares(
            level_dbm=level + noise * rng.standard_normal(24),
            noise_db=np.full(24, noise),
            used=np.ones(24, bool),
            prior=prior,
            prior_width=width,
            free=np.ones(9, bool),
        )
        theta, _, _, scale, _ = fit_doubting_prior(objective, data, prior[None], 100, None)
        _, jacobian = objective.log_jacobian(theta)
        known = posterior(jacobian, data.noise_db * scale, theta, data.free, width, BOUNDS)
        inside.append(np.abs(np.log(theta / truth)) <= NORMAL_95 * known.std)
    assert 0.92 <= np.mean(inside) <= 0.98
    assert (np.mean(inside, axis=0) >= 0.88).all()  # no object by itself is far off
