import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.likelihood import (
    SPREAD,
    LinkLoss,
    Links,
    information,
    noise_scale,
    residuals,
)

ROBUST: tuple[LinkLoss, ...] = ("huber", "student_t")


def links(
    count: int = 1,
    noise: float = 0.5,
    censored: bool = False,
    loss: LinkLoss = "squared",
    saturated: bool = False,
) -> Links:
    hidden, above = np.full(count, censored or saturated), np.full(count, saturated)
    return Links(np.full(count, -80.0), np.full(count, noise), hidden, loss, above)


def numeric_slope(of: Links, level: FloatArray, step: float = 1e-5) -> FloatArray:
    return (residuals(of, level + step)[0] - residuals(of, level - step)[0]) / (2.0 * step)


@pytest.mark.parametrize("loss", ["squared", *ROBUST])
@pytest.mark.parametrize("bound", ["level", "censored", "saturated"])
def test_the_slope_is_the_derivative(loss: LinkLoss, bound: str) -> None:
    level = -80.0 + np.array([-3.0, -1.3, -0.4, 0.01, 0.4, 1.3, 3.0])
    of = links(7, censored=bound == "censored", saturated=bound == "saturated", loss=loss)
    np.testing.assert_allclose(residuals(of, level)[1], numeric_slope(of, level), rtol=1e-6)


def test_squared_residuals_are_in_units_of_the_noise() -> None:
    bent, slope = residuals(links(2), np.array([-81.0, -79.5]))
    np.testing.assert_allclose(bent, [-2.0, 1.0])
    np.testing.assert_allclose(slope, 2.0)


def test_a_level_below_the_floor_costs_minus_ln_of_its_probability() -> None:
    level = -80.0 + np.linspace(-3.0, 3.0, 13)
    bent, _ = residuals(links(13, censored=True), level)
    expected = -scipy.stats.norm.logcdf((-80.0 - level) / 0.5)
    np.testing.assert_allclose(0.5 * bent**2, expected, rtol=1e-10)


def test_far_below_the_floor_nothing_is_said_and_far_above_it_pulls_as_a_level_would() -> None:
    of = links(3, censored=True)
    low = residuals(of, np.array([-120.0, -300.0, -np.inf]))
    np.testing.assert_array_equal(np.isfinite(low[0]) & np.isfinite(low[1]), True)
    assert np.abs(low[0]).max() < 1e-100
    assert np.abs(low[1]).max() < 1e-100
    high = residuals(of, np.full(3, -40.0))  # 80 standard deviations above
    np.testing.assert_allclose(high[0], 80.0, rtol=1e-3)
    np.testing.assert_allclose(high[1], 2.0, rtol=1e-3)
    told = information(of, np.array([-120.0, -80.0, -40.0])).curvature
    np.testing.assert_allclose(told, [0.0, 4.0 * 2.0 / np.pi, 4.0], rtol=1e-3, atol=1e-12)


def test_a_level_above_the_ceiling_costs_minus_ln_of_its_probability() -> None:
    level = -80.0 + np.linspace(-3.0, 3.0, 13)
    bent, _ = residuals(links(13, saturated=True), level)
    expected = -scipy.stats.norm.logsf((-80.0 - level) / 0.5)
    np.testing.assert_allclose(0.5 * bent**2, expected, rtol=1e-10)
    assert (bent < 0.0).all()  # the level is too low, never too high


@pytest.mark.parametrize("loss", ["squared", *ROBUST])
def test_the_ceiling_is_the_floor_upside_down(loss: LinkLoss) -> None:
    offset = np.array([-40.0, -1.0, 0.0, 0.3, 2.0, 60.0])
    floor, ceiling = links(6, censored=True, loss=loss), links(6, saturated=True, loss=loss)
    below, above = residuals(floor, -80.0 + offset), residuals(ceiling, -80.0 - offset)
    np.testing.assert_array_equal(above[0], -below[0])
    np.testing.assert_array_equal(above[1], below[1])
    told = information(floor, -80.0 + offset), information(ceiling, -80.0 - offset)
    np.testing.assert_array_equal(told[0].curvature, told[1].curvature)
    np.testing.assert_array_equal(told[0].variance, told[1].variance)


def test_the_curvature_of_a_hidden_level_is_the_second_derivative() -> None:
    level = -80.0 + np.linspace(-2.0, 2.0, 9)
    of, step = links(9, censored=True), 1e-3

    def cost(at: FloatArray) -> FloatArray:
        return 0.5 * residuals(of, at)[0] ** 2

    second = (cost(level + step) - 2.0 * cost(level) + cost(level - step)) / step**2
    np.testing.assert_allclose(information(of, level).curvature, second, rtol=1e-4)


@pytest.mark.parametrize("loss", ROBUST)
def test_an_outlier_pulls_little_and_tells_next_to_nothing(loss: LinkLoss) -> None:
    near, far = np.array([-80.05]), np.array([-80.0 + 50.0])
    of = links(loss=loss)
    bent, slope = residuals(of, far)
    assert abs(float((bent * slope)[0])) < 0.03 * 100.0 / 0.5  # of what squares would pull
    assert information(of, far).curvature[0] < 0.02 * information(of, near).curvature[0]
    np.testing.assert_allclose(information(of, near).curvature, 4.0, rtol=0.3)


@pytest.mark.parametrize("loss", ROBUST)
def test_the_constants_of_the_losses_are_those_of_normal_errors(loss: LinkLoss) -> None:
    def mean(function) -> float:
        def weighted(r: float) -> float:
            return float(function(np.array([r]))[0]) * scipy.stats.norm.pdf(r)

        return scipy.integrate.quad(weighted, -9, 9, points=[-1.345, 1.345], limit=200)[0]

    of = Links(np.zeros(1), np.ones(1), np.zeros(1, bool), loss, np.zeros(1, bool))

    def psi(r: FloatArray) -> FloatArray:
        bent, slope = residuals(of, r)
        return bent * slope

    spread = mean(lambda r: psi(r) ** 2)
    if loss == "huber":
        np.testing.assert_allclose(spread, SPREAD, rtol=1e-3)
    slope = mean(lambda r: (psi(r + 1e-5) - psi(r - 1e-5)) / 2e-5)
    truly = spread / slope**2  # the asymptotic variance of the estimator
    bread = mean(lambda r: information(of, r).curvature)
    said = mean(lambda r: information(of, r).variance) / bread**2
    assert truly <= said <= 1.2 * truly


def test_a_few_outliers_do_not_pass_for_noise() -> None:
    rng = np.random.default_rng(0)
    residual = rng.standard_normal(100)
    residual[:10] += 100.0
    assert noise_scale(residual, 9.0) > 30.0
    for loss in ROBUST:
        assert noise_scale(residual, 9.0, loss) < 1.5
        assert 2.5 < noise_scale(3.0 * rng.standard_normal(100), 9.0, loss) < 3.8


def test_some_of_the_links() -> None:
    marks = np.array([False, True])
    of = Links(np.array([-1.0, -2.0]), np.array([0.1, 0.2]), marks, "huber", marks)
    part = of.at(np.array([1]))
    assert part.saturated[0]
    assert (part.level_dbm[0], part.noise_db[0], part.censored[0]) == (-2.0, 0.2, True)
    assert part.loss == "huber"
