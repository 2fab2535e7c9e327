"""Profile likelihood of one object: the best fit that each of its values allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import CampaignLike, RadioConfig, as_campaign
from vlmrt_dist.console import listed
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference.clutter import fit_with_clutter
from vlmrt_dist.inference.least_squares import LeastSquares, Predict, levenberg_marquardt
from vlmrt_dist.inference.multistart import louder, search
from vlmrt_dist.inference.open_ends import THRESHOLD, Held
from vlmrt_dist.inference.options import LevenbergMarquardt, Noise, Parameters, Prior, Quantity
from vlmrt_dist.inference.parameters import KINDS
from vlmrt_dist.inference.problem import Assumptions, open_problem
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.scene import MaterialPrior, SceneLike

REACH = 5.0
"""A profile spans so many standard deviations of the object to each side, as far as searched."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Best fit for each value of one object's parameter.

    :param name: the object
    :param quantity: which of its parameters
    :param values: [G] values, ascending [unit]
    :param chi2: [G] χ² of the best fit with the parameter held there, above the smallest
    :param best: value of the smallest χ²
    :param low: lower end of the interval Δχ² <= 3.84; minus infinity if the links set none
    :param high: upper end; infinity if the links set none
    """

    name: str
    quantity: str
    unit: str
    values: FloatArray
    chi2: FloatArray
    best: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values; an end that the links do not set is null."""
        ends = {"low": self.low, "high": self.high}
        return {
            "name": self.name,
            "quantity": self.quantity,
            "best": self.best,
            **{name: end if np.isfinite(end) else None for name, end in ends.items()},
            "values": self.values.tolist(),
            "chi2": self.chi2.tolist(),
        }

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if np.isinf(self.low) and np.isinf(self.high):
            return f"{self.name}: the links set no bound on its {self.quantity.replace('_', ' ')}"
        low = "no lower bound" if np.isinf(self.low) else f"{self.low:.4g}"
        high = "no upper bound" if np.isinf(self.high) else f"{self.high:.4g}"
        return (
            f"{self.name}: {self.quantity.replace('_', ' ')} {self.best:.4g}{unit}, 95 % by "
            f"profile likelihood: {low} … {high}{unit}"
        )


def profile(
    scene: SceneLike,
    campaign: CampaignLike,
    name: str,
    *,
    quantity: Quantity = "conductivity",
    points: int = 41,
    radio: RadioConfig | None = None,
    prior: Prior | MaterialPrior | None = None,
    parameters: Parameters | None = None,
    noise: Noise | None = None,
    solver: LevenbergMarquardt | None = None,
) -> Profile:
    """Hold one object's parameter at each of a row of values and fit everything else.

    The prior on that parameter is left out, so the profile says what the links tell; all other
    unknowns keep their priors. Unlike the posterior it needs no linearity: an interval may be
    lopsided or open. Residuals larger than the declared noise widen it.

    :param scene: K objects, see :func:`vlmrt_dist.estimate`
    :param campaign: M setups with received levels [dBm], see there
    :param name: the object
    :param quantity: which of its parameters; it has to be among those that are unknown
    :param points: G, how many values
    :param radio: see :func:`vlmrt_dist.estimate`, as for all that follow
    :param prior: on the materials
    :param parameters: which are unknown
    :param noise: of the levels
    :param solver: its loss, and most evaluations of one start
    :raises ConfigurationError: if there is no such object, it is fixed, or ``quantity`` is not
        unknown
    """
    solver = solver or LevenbergMarquardt()
    scene, radio = scene_and_radio(scene, radio)
    campaign = as_campaign(campaign, scene, radio)
    assumed = Assumptions(
        radio, prior or Prior(), parameters or Parameters(), noise or Noise(),
        solver.loss,
    )  # fmt: skip
    if name not in scene.names:
        raise ConfigurationError(
            f"no object is named {name!r}; the objects are {listed(scene.names)}"
        )
    if points < 5:
        raise ConfigurationError("a profile needs 5 points or more")
    asked = assumed.parameters.quantities
    if quantity not in asked:
        raise ConfigurationError(
            f"{quantity} is not among the unknown quantities, {', '.join(asked)}"
        )
    with open_problem(scene, campaign, assumed) as problem:
        entry = int(problem.unknowns.entry[quantity][scene.names.index(name)])
        if entry < 0:
            raise ConfigurationError(f"{name} is fixed, so there is nothing to profile")
        problem, fit = fit_with_clutter(
            problem,
            lambda each: search(each.predict, each.data, each.data.prior[None]).fit,
        )
        width = np.array(fit.width)
        width[entry] = np.inf  # the prior on this one stays out
        data = replace(louder(problem.data, fit), prior_width=width)
        free = levenberg_marquardt(problem.predict, data, fit.x[None])
        grid = _grid(data, free.x[entry], fit.knowledge.std[entry], entry, points)
        chi2 = _chi2(problem.predict, data, free.x, entry, grid)
    kind = KINDS[quantity]
    floor = min(2.0 * free.cost, float(chi2.min()))
    best = free.x[entry] if floor == 2.0 * free.cost else grid[int(np.argmin(chi2))]
    chi2 = chi2 - floor
    ends = (_crossing(grid, chi2, best, -1), _crossing(grid, chi2, best, 1))
    low, high = (float(kind.value(np.array(e))) if np.isfinite(e) else float(e) for e in ends)
    middle = float(kind.value(np.array(best)))
    return Profile(name, quantity, kind.unit, kind.value(grid), chi2, middle, low, high)


def _grid(data: LeastSquares, best: float, std: float, entry: int, points: int) -> FloatArray:
    """Values of x, close together at the best one and as far as the range searched."""
    low, high = (
        np.broadcast_to(data.low, data.prior.shape),
        np.broadcast_to(data.high, data.prior.shape),
    )
    half = points // 2
    # Cubes: a spacing of hundredths of a standard deviation in the middle, of one at the ends.
    step = (np.arange(-half, half + 1) / half) ** 3 * REACH * std
    near = np.linspace(-2.5, 2.5, points) * std
    grid = np.unique(np.clip(best + np.concatenate([step, near]), low[entry], high[entry]))
    return grid


def _chi2(
    predict: Predict,
    data: LeastSquares,
    start: FloatArray,
    entry: int,
    grid: FloatArray,
) -> FloatArray:
    """χ² at each value, every fit started at its neighbour's, outwards from the best."""
    held = Held.of(predict, data, entry)
    chi2 = np.zeros(len(grid))
    middle = int(np.argmin(np.abs(grid - start[entry])))
    for order in (range(middle, -1, -1), range(middle, len(grid))):
        x = start.copy()
        for i in order:
            fit = held.fit(float(grid[i]), x)
            x[held.rest] = fit.x
            chi2[i] = 2.0 * fit.cost
    return chi2


def _crossing(grid: FloatArray, chi2: FloatArray, best: float, side: int) -> float:
    """Crossing of χ² and the threshold on one side of the best value, between two points."""
    beyond = grid[grid < best][::-1] if side < 0 else grid[grid > best]
    rise = chi2[grid < best][::-1] if side < 0 else chi2[grid > best]
    above = np.flatnonzero(rise > THRESHOLD)
    if not len(above):
        return side * float("inf")
    i = int(above[0])
    before = (best, 0.0) if i == 0 else (beyond[i - 1], rise[i - 1])
    # χ² is nearly a parabola, so its root is nearly a line.
    a, b = np.sqrt(max(before[1], 0.0)), np.sqrt(rise[i])
    share = (np.sqrt(THRESHOLD) - a) / (b - a)
    return float(before[0] + share * (beyond[i] - before[0]))
