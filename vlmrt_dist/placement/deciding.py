"""Where to measure next when several solutions explain the levels: where they predict others.

A link's worth is how far the levels that two solutions predict for it lie apart, in units of the
noise. Differences below the weakest level of the measurement do not count, since nobody may be able
to measure them; where each setup has an unknown offset, only differences between its receivers do.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.inference import MIN_NOISE_DB, Alternative, Estimate
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True, eq=False)
class Differences:
    """Levels that S solutions predict for T transmitters with R receivers each.

    :param level_dbm: [S, T, R] where the receiver's floor hides it, the floor [dBm]
    :param heard: [T, R] links that a path joins
    :param weight: [S] shares of the posterior
    :param noise_db: standard deviation of each level
    :param centred: each setup has an unknown offset
    """

    level_dbm: FloatArray
    heard: BoolArray
    weight: FloatArray
    noise_db: float
    centred: bool

    def choice(self, num_receivers: int) -> tuple[int, list[int]]:
        """The transmitter and its receivers that tell the solutions apart best, the most telling
        receiver first.

        Pairs of solutions count by the product of their weights; of each pair the logarithm of the
        squared distance counts, so that one that is told apart already counts little more.
        """
        able = np.flatnonzero(self.heard.sum(axis=1) >= num_receivers).tolist()
        found = [(self._chosen(t, num_receivers), t) for t in able]
        (_, receivers), best = max(found, key=lambda each: each[0][0])
        return best, receivers

    def _chosen(self, t: int, num_receivers: int) -> tuple[float, list[int]]:
        pairs = list(combinations(range(len(self.weight)), 2))
        apart = np.array([self.level_dbm[i, t] - self.level_dbm[j, t] for i, j in pairs])
        apart = apart / self.noise_db  # [P, R]
        share = np.array([self.weight[i] * self.weight[j] for i, j in pairs])
        if self.centred:
            apart = apart - np.mean(apart[:, self.heard[t]], axis=1, keepdims=True)
        total, square, count = np.zeros(len(pairs)), np.zeros(len(pairs)), 0
        chosen: list[int] = []
        value = 0.0
        while len(chosen) < num_receivers:
            sums, squares = total[:, None] + apart, square[:, None] + apart**2
            distance = squares - sums**2 / (count + 1) if self.centred and chosen else squares
            worth = share @ np.log1p(np.maximum(distance, 0.0))
            worth[~self.heard[t]] = -np.inf
            worth[chosen] = -np.inf
            pick = int(np.argmax(worth))
            chosen.append(pick)
            value, count = float(worth[pick]), count + 1
            total, square = sums[:, pick], squares[:, pick]
        return value, chosen


def differences(
    scene: SceneModel,
    positions: Campaign,
    heard: BoolArray,
    result: Estimate,
    radio: RadioConfig,
    progress: Progress | None = None,
) -> Differences:
    """Levels that the solutions of an estimate predict at candidate positions.

    :param positions: T setups of R receivers
    :param heard: [T, R] links that a path joins
    """
    from vlmrt_dist.field import SCATTERING, Materials, ReplayObjective, trace  # imports Dr.Jit

    exact = radio.replace(path_set="exact")
    blank = positions.with_rss(np.where(positions.present, 0.0, np.nan))
    table = trace(scene, positions, exact, progress=progress)
    objective = ReplayObjective(scene, blank, exact, table)
    base = {
        "conductivity": scene.conductivity(radio.frequency),
        "relative_permittivity": scene.relative_permittivity(radio.frequency),
        "thickness": scene.thickness,
    }

    def level(solution: Alternative) -> FloatArray:
        given = {name: solution.values.get(name, known) for name, known in base.items()}
        sigma, permittivity, thickness = (
            np.where(np.isnan(given[name]), known, given[name]) for name, known in base.items()
        )
        share, xpd = (
            np.where(np.isnan(value), getattr(scene, name), value)
            if (value := solution.values.get(name)) is not None
            else None
            for name in SCATTERING
        )
        there = Materials(
            sigma, permittivity, thickness, scattering_coefficient=share, xpd_coefficient=xpd
        )
        power = objective.levels({exact.frequency: there}, ()).rss
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(10.0 * np.log10(power) + 30.0)

    measured = result.links.measured_dbm
    floor = float(np.nanmin(measured)) if np.isfinite(measured).any() else -np.inf
    levels = np.array([level(each) for each in result.solutions])
    return Differences(
        level_dbm=np.maximum(np.nan_to_num(levels, nan=floor), floor),
        heard=heard,
        weight=np.array([each.weight for each in result.solutions]),
        noise_db=max(result.noise_db, MIN_NOISE_DB) * result.noise_factor,
        centred=result.gains is not None,
    )
