"""Verdicts in words; and a corridor whose posterior is told from a grid over its one unknown."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.inference.made_estimates import estimate
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.fitting import fit_least_squares
from vlmrt_dist.inference.open_ends import with_open_ends
from vlmrt_dist.inference.options import LevenbergMarquardt
from vlmrt_dist.inference.problem import Problem, open_problem
from vlmrt_dist.inference.quantities import Alternative, Gains, QuantityEstimate
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.inference.summary import Solution, summarise
from vlmrt_dist.inference.verdicts import Part, Verdict
from vlmrt_dist.inference.weighted_draws import Mode, WeightedDraws
from vlmrt_dist.inference.wording import (
    cells,
    differing,
    interval_text,
    value_text,
    verdict_sentences,
)
from vlmrt_dist.studies import two_minima_problems

NAMES = ("a", "b", "c", "d", "e", "f")
VERDICTS: tuple[Verdict, ...] = (
    "several", "at_least", "at_most", "not_identified", "weak", "fixed"
)  # fmt: skip
PARTS = (
    (Part(0.004, 0.005, 0.0046, 0.32), Part(5.0, 1e3, 30.0, 0.68, open_high=True)),
    (Part(5.0, 1e3, 30.0, 1.0, open_high=True),),
    (Part(1e-5, 0.02, 1e-3, 1.0, open_low=True),),
    (),
    (),
    (),
)


def quantity() -> QuantityEstimate:
    one = np.full(6, 0.03)
    return QuantityEstimate(
        "S/m", one, one, 0.5 * one, 2.0 * one, one, 0.3 * one, 3.0 * one, VERDICTS, (False,) * 6,
        PARTS,
    )  # fmt: skip


def test_of_many_intervals_the_heaviest_are_told() -> None:
    weights = (0.3, 0.01, 0.25, 0.02, 0.2, 0.12, 0.1)
    parts = tuple(Part(i, i + 0.5, i + 0.2, w) for i, w in enumerate(weights, 1))
    found = replace(quantity(), parts=(parts, *PARTS[1:]))
    assert value_text(found, 0) == "1.2 or 3.2 or 5.2 or 6.2 or 3 more"
    assert interval_text(found, 0).endswith("6 … 6.5 (12%), 3 more (13%)")
    (line,) = [x for x in verdict_sentences(NAMES, {"conductivity": found}) if "either" in x]
    assert "or one of 3 more intervals (together 13%); each explains" in line


def test_each_verdict_has_its_cells() -> None:
    found = quantity()
    assert [value_text(found, k) for k in range(6)] == [
        "0.0046 or ≥ 5", "≥ 5", "≤ 0.02", "–", "0.03", "0.03",
    ]  # fmt: skip
    assert [interval_text(found, k) for k in range(6)] == [
        "0.004 … 0.005 (32%), 5 or more (68%)", "5 or more", "0.02 or less",
        "prior: 0.015 … 0.06", "0.015 … 0.06", "",
    ]  # fmt: skip
    assert cells(found, 3) == ("0.03", "–", "prior: 0.015 … 0.06", "not identified")


def test_sentences_name_objects_units_and_the_next_step() -> None:
    lines = verdict_sentences(NAMES, {"conductivity": quantity()})
    text = "\n".join(lines)
    assert (
        "conductivity of a: either 0.004 to 0.005 S/m (probability 32%), or 5 S/m or more "
        "(probability 68%)" in text
    )
    assert "conductivity of b: at least 5 S/m (probability 95%). Above that" in text
    assert "conductivity of c: at most 0.02 S/m (probability 95%). Below that" in text
    assert "conductivity of 1 not identified (d)" in text
    assert "conductivity of 1 weak (e)" in text
    assert "vlmrt plan --after" in lines[-1]
    assert max(map(len, lines)) <= 200


def test_tied_objects_are_told_together() -> None:
    two = replace(quantity(), verdict=("several", "several", *VERDICTS[2:]),
                  parts=(PARTS[0], PARTS[0], *PARTS[2:]))  # fmt: skip
    assert "conductivity of a, b: either" in verdict_sentences(NAMES, {"conductivity": two})[0]


def test_where_all_is_known_nothing_is_said() -> None:
    sure = replace(quantity(), verdict=("estimated",) * 5 + ("fixed",), parts=())
    assert verdict_sentences(NAMES, {"conductivity": sure}) == []


def solutions() -> tuple[Alternative, ...]:
    values = np.array([[0.0046, 30.0, 1e-3, 0.03, 0.03, 0.1], [30.0, 90.0, 2e-3, 0.03, 0.03, 0.1]])
    return tuple(
        Alternative(weight, 10.0, 1.0, {"conductivity": sigma, "gain": np.array([offset])})
        for weight, sigma, offset in zip((0.6, 0.4), values, (0.0, 2.5), strict=True)
    )


def test_the_table_of_solutions_shows_what_differs() -> None:
    found = differing(NAMES, solutions(), {"conductivity": quantity()}, ["setup 1"])
    assert dict(found) == {
        "conductivity of a [S/m]": ["0.0046", "≥ 5"],  # b lies in its open interval in both
        "offset of setup 1 [dB]": ["0", "2.5"],
    }


def test_solutions_are_shown_in_text_html_and_json() -> None:
    values = {"conductivity": np.array([0.0291, 0.12, 1e7])}
    other = {"conductivity": np.array([0.5, 0.12, 1e7])}
    both = (Alternative(0.7, 9.0, 1.0, values), Alternative(0.3, 10.0, 1.1, other))
    result = estimate(
        solutions=both, verdict=("several", "estimated", "fixed"),
        parts=((Part(0.02, 0.03, 0.0291, 0.7), Part(0.4, 0.6, 0.5, 0.3)), (), ()),
        gains=Gains(np.zeros(1), np.ones(1), ("weak",), ("setup 1",), np.zeros((2, 3), int)),
    )  # fmt: skip
    for text in (str(result), result._repr_html_()):
        for word in ("solution 2", "30%", "1.1", "0.0291 or 0.5"):
            assert word in text
    answer = result.to_dict()
    assert [each["weight"] for each in answer["solutions"]] == [0.7, 0.3]
    assert answer["objects"][0]["parts"][1] == {
        "low": 0.4, "high": 0.6, "value": 0.5, "weight": 0.3,
    }  # fmt: skip


def test_of_many_solutions_the_table_shows_the_heaviest() -> None:
    sigma = np.array([0.0291, 0.12, 1e7])
    many = tuple(
        Alternative(1.0 / 7.0, 9.0, 1.0, {"conductivity": sigma * np.array([k + 1.0, 1.0, 1.0])})
        for k in range(7)
    )
    result = estimate(solutions=many)
    text = str(result)
    assert "solution 4" in text
    assert "solution 5" not in text
    assert "3 further solutions hold 43% of the probability together" in text
    assert len(result.to_dict()["solutions"]) == 7


@pytest.mark.parametrize("width", [60, 80, 112])
def test_the_text_keeps_to_the_width(width: int) -> None:
    text = estimate().text(width, wrap=True)
    assert max(map(len, text.splitlines())) <= width


def told_from_grid(name: str, width: float) -> tuple[Estimate, FloatArray, FloatArray]:
    """A corridor whose walls share one unknown: estimate, grid of ln σ, and cost there.

    Minima and draws come from a grid of 400 values, with the weights that the costs give them.
    """
    case = next(each for each in two_minima_problems() if each.name == name)
    with open_problem(case.scene, case.measured(), case.assumptions(width)) as problem:
        solver = LevenbergMarquardt(folds=0, posterior="normal")
        fit = fit_least_squares(problem, solver, problem.prior.median, np.random.default_rng(0))
        grid = np.linspace(problem.unknowns.low[0] + 0.01, problem.unknowns.high[0] - 0.01, 400)
        cost = np.array([_cost(problem, x, fit.width[0], fit.scale) for x in grid])
        padded = np.concatenate([[np.inf], cost, [np.inf]])
        minima = np.flatnonzero((padded[1:-1] < padded[:-2]) & (padded[1:-1] < padded[2:]))
        edges = [a + int(np.argmax(cost[a:b])) for a, b in pairwise(minima)]
        mode = np.searchsorted(edges, np.arange(len(grid)), side="right")
        weight = np.exp(cost.min() - cost)
        weight /= weight.sum()
        modes = tuple(
            Mode(grid[[i]], float(cost[i]), float(weight[mode == k].sum()))
            for k, i in enumerate(minima)
        )
        best = max(modes, key=lambda each: each.weight)
        fit = replace(fit, x=best.x, modes=modes, draws=WeightedDraws(grid[:, None], weight, mode))
        fit = with_open_ends(problem.predict, problem.data, fit)
        level, _ = problem.predict(fit.x)
        return summarise(case.scene, problem, solver, Solution(fit, level), {}), grid, cost


def _cost(problem: Problem, x: float, width: float, scale: float) -> float:
    data = problem.data
    level, _ = problem.predict(np.array([x]))
    residual = ((level - data.level_dbm) / (data.noise_db * max(scale, 1.0)))[data.used]
    return float(0.5 * (residual**2).sum() + 0.5 * ((x - data.prior[0]) / width) ** 2)


def test_weak_walls_or_metal_are_told_as_both() -> None:
    """True are 23 S/m, but walls of next to no conductivity explain the levels as well."""
    result, grid, cost = told_from_grid("metal_called_glass", np.inf)
    left = result.names.index("left")
    assert result.verdict[left] == "several"
    low, high = result.parts[left]
    assert (low.open_low, high.open_high) == (True, False)
    assert high.low < 23.0 < high.high
    assert low.weight + high.weight == pytest.approx(1.0)
    between = (np.exp(grid) > low.high) & (np.exp(grid) < high.low)
    assert cost[between].max() > cost.min() + 5.0  # what lies between them is excluded
    assert len(result.solutions) == 2
    assert "A link whose level differs between them decides" in str(result)


def test_a_weak_dielectric_has_an_upper_bound_only() -> None:
    """True are 0.005 S/m; below some 0.01 S/m the loss in the walls no longer counts."""
    result, _, _ = told_from_grid("dry_concrete", np.inf)
    left = result.names.index("left")
    assert result.verdict[left] == "at_most"
    assert 0.005 < result.high[left] < 0.05
    assert result.low[left] == pytest.approx(1e-5)
