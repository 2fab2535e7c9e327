"""The prior's residuals against densities of scipy, and what follows from them in fits."""

import dataclasses
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import multivariate_normal, multivariate_t

import vlmrt_dist as vd
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import perturbed
from vlmrt_dist.inference import least_squares
from vlmrt_dist.inference.conductivity_prior import stated_prior
from vlmrt_dist.inference.least_squares import LeastSquares, Predict, levenberg_marquardt
from vlmrt_dist.inference.likelihood import Information
from vlmrt_dist.inference.posterior import posterior
from vlmrt_dist.inference.prior_term import PriorShape, PriorTerm
from vlmrt_dist.inference.unknown_vector import unknowns_of
from vlmrt_dist.scene import SceneModel, Tails, prior_from_classes, spread_of
from vlmrt_dist.scene import conductivity_table as table_at

MEAN = np.array([-2.0, 0.3, 1.0, 0.7, 0.1])
WIDTH = np.array([0.5, 0.8, 1.0, 0.2, 0.15])
HEAVY = PriorShape(
    np.array([3, -1, 4, 0, 2]),
    np.array([0.5, 0.0, -0.3, 0.5, -0.3]),
    np.array([True, True, False, True, False]),
)
NORMAL = dataclasses.replace(HEAVY, heavy=np.zeros(5, bool))


def covariance(shape: PriorShape) -> FloatArray:
    there = np.flatnonzero(shape.partner >= 0)
    matrix = np.diag(WIDTH**2)
    matrix[there, shape.partner[there]] = (
        shape.correlation[there] * WIDTH[there] * WIDTH[shape.partner[there]]
    )
    return matrix


def log_density(x: FloatArray) -> float:
    """Of ``HEAVY``: a pair with Student's tails, one unknown with them, a normal pair."""
    z, full = x - MEAN, covariance(HEAVY)
    heavy, single, normal = [0, 3], [1], [2, 4]
    # Student's with the curvature of the normal: its scale matrix is (ν + k) / ν times as large.
    return float(
        multivariate_t(shape=full[np.ix_(heavy, heavy)] * 6 / 4, df=4).logpdf(z[heavy])
        + multivariate_t(shape=full[np.ix_(single, single)] * 5 / 4, df=4).logpdf(z[single])
        + multivariate_normal(cov=full[np.ix_(normal, normal)]).logpdf(z[normal])
    )


def draws(count: int, far: float = 3.0) -> FloatArray:
    return MEAN + far * WIDTH * np.random.default_rng(1).standard_normal((count, 5))


def test_squares_of_the_residuals_are_the_logarithm_of_the_density() -> None:
    x = draws(20)
    square = (PriorTerm(MEAN, WIDTH, HEAVY).residuals(x) ** 2).sum(axis=1)
    density = np.array([log_density(row) for row in x])
    np.testing.assert_allclose(-0.5 * (square - square[0]), density - density[0], rtol=1e-10)
    normal = PriorTerm(MEAN, WIDTH, NORMAL).residuals(x)
    inverse = np.linalg.inv(covariance(NORMAL))
    expected = np.einsum("si,ij,sj->s", x - MEAN, inverse, x - MEAN)
    np.testing.assert_allclose((normal**2).sum(axis=1), expected)


@pytest.mark.parametrize("shape", [HEAVY, NORMAL, PriorShape.plain(5)])
@pytest.mark.parametrize("far", [0.0, 1e-6, 0.1, 3.0, 1e3])
def test_the_slope_is_that_of_differences(shape: PriorShape, far: float) -> None:
    term = PriorTerm(MEAN, WIDTH, shape)
    x = draws(1, far)[0]
    step = 1e-5 * WIDTH
    by_differences = [
        (term.residuals(x + h) - term.residuals(x - h)) / (2.0 * h.sum()) for h in np.diag(step)
    ]
    np.testing.assert_allclose(
        term.slope(x).toarray(), np.transpose(by_differences), rtol=1e-6, atol=1e-5
    )
    other = draws(2)[1]
    both = [term.slope(each).toarray() for each in (x, other)]
    np.testing.assert_allclose(term.slopes(np.array([x, other])), both, rtol=1e-12)


@pytest.mark.parametrize("shape", [HEAVY, NORMAL])
def test_nothing_within_reach_of_a_cost_is_missed(shape: PriorShape) -> None:
    """The least cost of the others with one unknown there is that cost."""
    term = PriorTerm(MEAN, WIDTH, shape)
    for k, distance in enumerate(term.reach(3.0)):
        partner = int(shape.partner[k])
        x = np.tile(MEAN, (20_001, 1))
        x[:, k] += distance
        if partner >= 0:
            x[:, partner] += np.linspace(-20.0, 20.0, len(x)) * WIDTH[partner]
        cost = 0.5 * (term.residuals(x) ** 2).sum(axis=1)
        assert cost.min() == pytest.approx(3.0, rel=1e-5)


def test_near_its_centre_a_heavy_prior_is_the_normal_one() -> None:
    heavy, normal = (PriorTerm(MEAN, WIDTH, shape) for shape in (HEAVY, NORMAL))
    near = MEAN + 1e-5 * WIDTH
    np.testing.assert_allclose(heavy.residuals(near), normal.residuals(near), rtol=1e-8)
    np.testing.assert_allclose(
        heavy.precision(near).toarray(), np.linalg.inv(covariance(NORMAL)), rtol=1e-6, atol=1e-9
    )


def test_some_of_the_unknowns_have_their_marginal_prior() -> None:
    whole = LeastSquares(
        np.zeros(1), np.ones(1), np.ones(1, bool), MEAN, WIDTH, shape=NORMAL, vague=5.0
    )
    index = np.array([1, 2, 4])
    precision = whole.of_unknowns(index).prior_term.precision(MEAN[index]).toarray()
    np.testing.assert_allclose(
        np.linalg.inv(precision), covariance(NORMAL)[np.ix_(index, index)], atol=1e-12
    )
    alone = whole.of_unknowns(np.array([0, 1]))
    np.testing.assert_allclose(
        alone.prior_term.precision(MEAN[:2]).toarray(), np.diag(1.0 / WIDTH[:2] ** 2)
    )


def test_without_a_prior_a_partner_tells_nothing() -> None:
    width = WIDTH.copy()
    width[0] = np.inf
    data = LeastSquares(np.zeros(1), np.ones(1), np.ones(1, bool), MEAN, width, shape=NORMAL)
    for term, first in ((data.prior_term, 0.0), (data.proper_prior_term, 0.04)):
        precision = term.precision(MEAN).toarray()
        assert precision[0, 3] == 0.0
        assert precision[3, 3] == pytest.approx(1.0 / WIDTH[3] ** 2)
        assert precision[0, 0] == pytest.approx(first)


def linear(seed: int, links: int) -> tuple[Predict, LeastSquares, FloatArray]:
    """Levels that are linear in x, with the correlated normal prior."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((links, 5))
    matrix[:, 1] = 0.0  # neither a link nor a partner
    matrix[:, 4] = 0.0  # only its partner
    level = matrix @ (MEAN + WIDTH) + 0.1 * rng.standard_normal(links)
    data = LeastSquares(level, np.full(links, 0.1), np.ones(links, bool), MEAN, WIDTH, shape=NORMAL)
    return (lambda x: (matrix @ x, sp.csr_matrix(matrix))), data, matrix


@pytest.mark.parametrize("sparse", [False, True])
def test_fit_and_posterior_are_those_of_a_linear_model(
    monkeypatch: pytest.MonkeyPatch, sparse: bool
) -> None:
    predict, data, matrix = linear(0, 4)
    monkeypatch.setattr(least_squares, "MAX_DENSE_UNKNOWNS", 1 if sparse else 50)
    found = levenberg_marquardt(predict, data, MEAN[None])
    inverse = np.linalg.inv(covariance(NORMAL))
    whole = np.linalg.inv(matrix.T @ matrix / 0.01 + inverse)
    expected = MEAN + whole @ matrix.T @ (data.level_dbm - matrix @ MEAN) / 0.01
    np.testing.assert_allclose(found.x, expected, atol=1e-6)
    information = Information(np.full(4, 100.0), np.full(4, 100.0))
    known = posterior(
        sp.csr_matrix(matrix), information._replace(variance=information.curvature), found.x, data
    )
    np.testing.assert_allclose(known.full_covariance, whole, atol=1e-12)
    assert known.seen.tolist() == [True, False, True, True, True]
    assert found.x[4] != pytest.approx(MEAN[4])  # its partner is known better


@pytest.mark.parametrize("sparse", [False, True])
def test_a_heavy_prior_lets_go_of_a_wrong_mean(
    monkeypatch: pytest.MonkeyPatch, sparse: bool
) -> None:
    """One level of x, six widths from the prior, whose noise is half a width."""
    monkeypatch.setattr(least_squares, "MAX_DENSE_UNKNOWNS", 0 if sparse else 50)
    data = LeastSquares(np.array([3.0]), np.array([0.25]), np.ones(1, bool), np.zeros(1), 0.5)
    heavy = PriorShape(np.array([-1]), np.zeros(1), np.ones(1, bool))
    one = sp.csr_matrix([[1.0]])
    ends = [
        levenberg_marquardt(lambda x: (x, one), each, np.zeros((1, 1))).x[0]
        for each in (data, dataclasses.replace(data, shape=heavy))
    ]
    assert ends[0] == pytest.approx(3.0 * 0.8)
    grid = np.linspace(0.0, 4.0, 400_001)
    cost = 0.5 * ((grid - 3.0) / 0.25) ** 2 - multivariate_t(shape=[[0.25 * 5 / 4]], df=4).logpdf(
        grid[:, None]
    )
    assert ends[1] == pytest.approx(grid[cost.argmin()], abs=1e-4)
    assert 3.0 - ends[1] < 0.25 * (3.0 - ends[0])


def test_ln_sigma_and_ln_epsilon_of_an_object_are_partners(room: SceneModel) -> None:
    radio = vd.RadioConfig.paper()
    campaign = vd.place("random", room, 1, 3, seed=0)
    both = vd.Parameters(("conductivity", "relative_permittivity", "thickness"))

    def shape_of(prior: vd.Prior, parameters: vd.Parameters = both) -> PriorShape | None:
        stated = stated_prior(room, radio, prior)
        return unknowns_of(room, campaign, radio, stated, parameters).shape

    shape = shape_of(vd.Prior())
    assert shape is not None
    assert shape.partner.tolist() == [*range(9, 18), *range(9), *[-1] * 9]
    assert set(shape.correlation[:18]) == {0.5}
    assert not shape.heavy.any()
    assert shape_of(vd.Prior(0.5)) is None
    assert shape_of(vd.Prior(), vd.Parameters()) is None
    heavy = shape_of(vd.Prior(0.5, tails="student_t", correlation=0.2))
    assert heavy is not None
    assert heavy.heavy.tolist() == [*[True] * 18, *[False] * 9]
    grouped = shape_of(vd.Prior(), dataclasses.replace(both, groups="material"))
    assert grouped is not None
    pairs = np.flatnonzero(grouped.partner >= 0)
    assert (grouped.partner[grouped.partner[pairs]] == pairs).all()


def test_widths_of_classes_are_those_of_published_measurements(room: SceneModel) -> None:
    radio = vd.RadioConfig.paper()
    stated = stated_prior(room, radio, vd.Prior())
    expected = [spread_of(material, radio.frequency) for material in room.materials]
    assert stated.width.tolist() == [each.conductivity for each in expected]
    campaign = vd.place("random", room, 1, 3, seed=0)
    both = vd.Parameters(("conductivity", "relative_permittivity"))
    found = unknowns_of(room, campaign, radio, stated, both)
    assert found.width[9:].tolist() == [each.relative_permittivity for each in expected]
    narrow = dataclasses.replace(both, widths={"relative_permittivity": 0.05})
    assert set(unknowns_of(room, campaign, radio, stated, narrow).width[9:]) == {0.05}
    assert set(stated_prior(room, radio, vd.Prior(0.5)).width) == {0.5}


def test_impossible_tails_and_correlations_are_refused(room: SceneModel) -> None:
    with pytest.raises(ConfigurationError, match="unknown tails"):
        vd.Prior(tails=cast("Tails", "cauchy"))
    for correlation in (1.0, -1.0, 3.0, float("nan")):
        with pytest.raises(ConfigurationError, match="correlation"):
            vd.Prior(correlation=correlation)
    radio = vd.RadioConfig.paper()
    named = prior_from_classes(
        room.names, room.materials, [1.0] * 9, ["said"] * 9, table_at(3.5e9), frequency=3.5e9
    )
    assert named.correlation == 0.5
    for wrong in ({"correlation": 1.0}, {"tails": "cauchy"}):
        with pytest.raises(ConfigurationError):
            stated_prior(room, radio, dataclasses.replace(named, **wrong))


@pytest.mark.slow
def test_heavy_tails_let_go_of_a_wrong_class(
    room: SceneModel, well_placed: Callable[..., Campaign]
) -> None:
    """A wall that is called plywood, eleven times brick's conductivity, at 0.1 dB."""
    radio = vd.RadioConfig.paper(max_depth=2)
    places = well_placed(radio)
    truth = perturbed(room.conductivity(radio.frequency), 3)
    levels = vd.simulate(room, places, conductivity=truth, radio=radio, noise_db=0.1, seed=3)
    k = room.names.index("wall_east")
    called = room.with_materials({"wall_east": "plywood"})
    same = dataclasses.replace(
        called.objects[k], relative_permittivity=room.relative_permittivity(radio.frequency)[k]
    )
    called = dataclasses.replace(
        called, objects=(*called.objects[:k], same, *called.objects[k + 1 :])
    )
    off = {}
    choices: tuple[Tails, ...] = ("normal", "student_t")
    for tails in choices:
        found = vd.estimate(
            called, levels, radio=radio, prior=vd.Prior(0.5, tails=tails),
            solver=vd.LevenbergMarquardt(folds=0), noise=vd.Noise(db=0.1),
        )  # fmt: skip
        off[tails] = abs(np.log(found.fitted[k] / truth[k]))
        if tails == "student_t":  # either plywood or brick, whose share is the larger one
            likely = max(found.parts[k], key=lambda part: part.weight)
            assert likely.low < truth[k] < likely.high
    assert off["student_t"] < 0.6 * off["normal"]


@pytest.mark.slow
def test_where_the_classes_are_right_heavy_tails_cost_a_bounded_share(
    room: SceneModel, well_placed: Callable[..., Campaign]
) -> None:
    radio = vd.RadioConfig.paper(max_depth=2)
    places = well_placed(radio)
    error: dict[Tails, float] = {"normal": 0.0, "student_t": 0.0}
    for seed in range(4):
        truth = perturbed(room.conductivity(radio.frequency), 100 + seed)
        levels = vd.simulate(room, places, conductivity=truth, radio=radio, noise_db=0.5, seed=seed)
        for tails in error:
            found = vd.estimate(
                room, levels, radio=radio, prior=vd.Prior(0.5, tails=tails),
                solver=vd.LevenbergMarquardt(folds=0), noise=vd.Noise(db=0.5),
            )  # fmt: skip
            error[tails] += float((np.log(found.conductivity / truth) ** 2).sum())
    assert error["student_t"] < 1.5 * error["normal"]
