"""Clutter and excess loss: their likelihood against closed forms, and known truths recovered."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.sparse as sp
import scipy.stats

import vlmrt_dist as vd
from tests.commands import invoke
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import RadioConfig, random_campaign, write_campaign
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import Materials, path_lengths
from vlmrt_dist.inference.clutter import NORMAL_SLOPE, _Linear, fit_with_clutter, settled
from vlmrt_dist.inference.least_squares import LeastSquares
from vlmrt_dist.inference.likelihood import LinkLoss, Links, residuals
from vlmrt_dist.inference.multistart import Fit, search
from vlmrt_dist.inference.options import Noise, Parameters, Prior
from vlmrt_dist.inference.posterior import NORMAL_95
from vlmrt_dist.inference.prior_term import PriorShape
from vlmrt_dist.inference.problem import Assumptions, Problem, open_problem
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=2)


@pytest.mark.parametrize("loss", NORMAL_SLOPE)
def test_the_constants_are_those_of_normal_errors(loss: LinkLoss) -> None:
    one, no = np.ones(1), np.zeros(1, bool)

    def weighted(t: float) -> float:
        bent, slope = residuals(Links(np.zeros(1), one, no, loss, no), np.array([t]))
        return float(t * bent[0] * slope[0]) * scipy.stats.norm.pdf(t)

    mean = scipy.integrate.quad(weighted, -9, 9, points=[-1.345, 1.345], limit=200)[0]
    assert NORMAL_SLOPE[loss] == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_the_marginal_likelihood_is_that_of_the_normal_distribution(correlation: float) -> None:
    rng = np.random.default_rng(0)
    rows, prior, width = rng.normal(size=(12, 3)), rng.normal(size=3), np.array([0.5, 1.0, 2.0])
    level = rng.normal(size=12)
    shape = PriorShape(
        np.array([1, 0, -1]), np.array([correlation, correlation, 0.0]), np.zeros(3, bool)
    )
    data = LeastSquares(level, np.ones(12), np.ones(12, bool), prior, width, shape=shape)
    before = np.diag(width**2)
    before[0, 1] = before[1, 0] = correlation * width[0] * width[1]
    linear = _Linear(lambda x: (rows @ x, sp.csr_matrix(rows)), data, rng.normal(size=3))

    def exact(noise: FloatArray) -> float:
        covariance = np.diag(noise**2) + rows @ before @ rows.T
        return float(scipy.stats.multivariate_normal(rows @ prior, covariance).logpdf(level))

    noises = [np.hypot(0.7, c * np.sqrt(np.arange(1.0, 13.0))) for c in (0.0, 0.3, 2.0)]
    found = np.array([linear.log_marginal(noise) for noise in noises])
    expected = np.array([exact(noise) for noise in noises])
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-9)


@pytest.fixture(scope="module")
def problem(room: SceneModel) -> Iterator[Problem]:
    """Eighty links of the paper's room, 0.5 dB of noise, levels to be filled in."""
    campaign = random_campaign(room, 4, 20, seed=0)
    assumed = Assumptions(
        RADIO, Prior(0.5), Parameters(), Noise(db=0.5, clutter_db_per_sqrt_m="fit")
    )
    with open_problem(room, campaign.with_rss(np.zeros((4, 20))), assumed) as found:
        yield found


def drawn(problem: Problem, clutter: float, seed: int) -> tuple[Problem, FloatArray]:
    """The problem with levels of a truth that is drawn from its prior, and the truth."""
    rng = np.random.default_rng(seed)
    meant = problem.unknowns
    truth = meant.mean + meant.width * rng.standard_normal(len(meant.mean))
    level = problem.predict(truth)[0]
    level = level + problem.noise_with(clutter) * rng.standard_normal(len(level))
    return replace(problem, data=replace(problem.data, level_dbm=level)), truth


def local(problem: Problem) -> Fit:
    return search(problem.predict, problem.data, problem.data.prior[None]).fit


def test_a_clutter_is_found(problem: Problem) -> None:
    some, _ = drawn(problem, 1.5, 1)
    found = settled(some, some.data.prior)
    assert found.clutter is not None
    assert found.clutter.fitted
    assert 1.0 < found.clutter.low < 1.5 < found.clutter.high < 2.2
    np.testing.assert_allclose(found.data.noise_db, problem.noise_with(found.clutter.value))
    # Levels of another loss tell the same.
    robust = settled(replace(some, data=replace(some.data, loss="huber")), some.data.prior)
    assert robust.clutter is not None
    assert robust.clutter.value == pytest.approx(found.clutter.value, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["squared", "huber", "student_t"])
def test_a_known_clutter_is_recovered(problem: Problem, loss: LinkLoss) -> None:
    hit, share, inside = [], [], []
    for seed in range(24):
        some, truth = drawn(problem, 1.0, seed)
        some = replace(some, data=replace(some.data, loss=loss))
        found, fit = fit_with_clutter(some, local)
        assert found.clutter is not None
        hit.append(found.clutter.low <= 1.0 <= found.clutter.high)
        share.append(found.clutter.value)
        seen = fit.knowledge.seen
        inside.append((np.abs(fit.x - truth) <= NORMAL_95 * fit.knowledge.std)[seen])
    assert sum(hit) >= 20
    assert 0.92 < np.mean(share) < 1.12
    assert 0.89 < np.mean(inside) < 0.99


@pytest.mark.slow
def test_with_few_links_the_clutter_is_not_drawn_to_zero(problem: Problem) -> None:
    """Fourteen links and nine unknowns: the likelihood's own maximum would be far too low."""
    hit, share = [], []
    for seed in range(24):
        some, _ = drawn(problem, 1.0, seed)
        used = np.zeros(80, bool)
        used[np.random.default_rng(seed).permutation(80)[:14]] = True
        found = settled(replace(some, data=replace(some.data, used=used)), some.data.prior)
        assert found.clutter is not None
        hit.append(found.clutter.low <= 1.0 <= found.clutter.high)
        share.append(found.clutter.value)
    assert sum(hit) >= 20
    assert 0.9 < np.median(share) < 1.4


@pytest.mark.slow
def test_without_clutter_none_is_found_and_no_interval_suffers(problem: Problem) -> None:
    values, wider = [], []
    for seed in range(24):
        some, _ = drawn(problem, 0.0, seed)
        found, fit = fit_with_clutter(some, local)
        assert found.clutter is not None
        values.append(found.clutter.value)
        wider.append(np.median(fit.knowledge.std / local(some).knowledge.std))
    assert np.median(values) < 0.1  # of 0.5 dB of noise, over some 5 m
    assert np.median(wider) < 1.08


def measured(room: SceneModel, **more: Any) -> vd.Campaign:
    return vd.simulate(
        room, random_campaign(room, 3, 12, seed=1), radio=RADIO, noise_db=0.3, **more
    )


def test_an_excess_loss_is_told_and_so_is_a_given_clutter(room: SceneModel) -> None:
    campaign = measured(room, seed=3)
    at = RADIO.frequency
    known = Materials(room.conductivity(at), room.relative_permittivity(at), room.thickness)
    length = path_lengths(room, campaign, RADIO, {at: known})
    assert campaign.rss_dbm is not None
    lossy = campaign.with_rss(campaign.rss_dbm - 0.6 * length)
    noise = vd.Noise(excess_loss_db_per_m=1.0, clutter_db_per_sqrt_m=0.2)
    found = vd.estimate(room, lossy, radio=RADIO, noise=noise)
    assert found.excess_loss is not None
    assert abs(found.excess_loss.value - 0.6) < 3.0 * found.excess_loss.std < 0.3
    assert found.excess_loss.verdict == "estimated"
    assert found.clutter is not None
    assert found.clutter == (0.2, 0.2, 0.2, False)
    assert found.to_dict()["excess_loss"]["value"] == found.excess_loss.value
    assert "lose more than in the model" in str(found)
    assert (found.links.noise_db[campaign.present] > 0.3).all()


def test_clutter_in_a_part_of_the_plan(room: SceneModel) -> None:
    """Half of the room: links that do not enter it keep their noise."""
    campaign = measured(room, seed=4)
    low, high = room.bounds[:, :2]
    middle = 0.5 * (low[0] + high[0])
    west = [[low[0], low[1]], [middle, low[1]], [middle, high[1]], [low[0], high[1]]]
    noise = vd.Noise(clutter_db_per_sqrt_m=1.0, clutter_area=np.array(west))
    found = vd.estimate(room, campaign, radio=RADIO, noise=noise).links.noise_db
    east = (campaign.rx[..., 0] > middle) & (campaign.tx[:, None, 0] > middle)
    assert found[east].max() < found[~east & campaign.present].max()
    assert (found >= 0.3 - 1e-12).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clutter_db_per_sqrt_m": "guess"}, "fit or a finite number"),
        ({"clutter_db_per_sqrt_m": -1.0}, "not negative"),
        ({"clutter_db_per_sqrt_m": float("nan")}, "a finite number"),
        ({"excess_loss_db_per_m": 0.0}, "a positive number of dB/m"),
        ({"excess_loss_db_per_m": float("nan")}, "a positive number of dB/m"),
        ({"clutter_area": "0 0 1 0 1 1"}, "give clutter_db_per_sqrt_m"),
        ({"clutter_area": "0 0 1 0", "clutter_db_per_sqrt_m": 1.0}, "three or more"),
    ],
)
def test_impossible_clutter_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Noise(**options)


def test_adam_knows_no_clutter(room: SceneModel) -> None:
    with pytest.raises(ConfigurationError, match="not clutter and excess loss"):
        vd.estimate(
            room, measured(room), radio=RADIO, solver=vd.Adam(),
            noise=vd.Noise(clutter_db_per_sqrt_m=1.0),
        )  # fmt: skip


def test_the_command_fits_clutter(room: SceneModel, tmp_path: Path) -> None:
    rss = tmp_path / "rss.csv"
    write_campaign(measured(room, seed=5), rss)
    asked = ("estimate", "--measurements", rss, "--max-depth", "2")
    done = invoke(*asked, "--clutter", "fit", "--excess-loss", "0.5")
    assert done.exit_code == 0, done.stderr
    assert "clutter, what the scene lacks" in done.stdout
    assert "excess loss" in done.stdout
    for wrong, words in (
        (("--clutter", "maybe"), "clutter"),
        (("--clutter", "-1"), "--clutter"),
        (("--clutter-area", "0 0 1 0 1 1"), "--clutter"),
        (("--clutter", "1", "--clutter-area", "nowhere.csv"), "nowhere.csv"),
        (("--excess-loss", "0"), "--excess-loss"),
    ):
        done = invoke(*asked, *wrong)
        assert done.exit_code == 2
        assert words in done.stderr
