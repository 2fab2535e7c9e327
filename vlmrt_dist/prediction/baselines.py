"""Models of path loss that an engineer fits by hand: constant, log-distance, losses per wall.

    level = a - 10 n lg(d / 1 m) - Σ_c w_c N_c

with a level a at one metre, common to all setups or one for each, the exponent n and a loss w_c
[dB] for each of the N_c surfaces of material class c that the straight line passes through (the
multi-wall model of COST 231, with Recommendation ITU-R P.1238's distance law). Exponent and losses
are found by least squares and are not negative.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.optimize

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.inference import centred
from vlmrt_dist.prediction.link_geometry import LinkGeometry, same_transmitters

Terms = Literal["constant", "distance", "walls"]

NAMES: dict[Terms, str] = {
    "constant": "constant",
    "distance": "log-distance",
    "walls": "log-distance and loss per wall",
}


@dataclass(frozen=True, eq=False)
class PathLossModel:
    """A fitted model.

    :param terms: "constant", "distance", or "walls": distance and walls
    :param exponent: n
    :param losses_db: w_c by material class, of the classes that some link of the fit passed through
    :param tx: [M, 3] transmitters of the setups that it was fitted to [m]
    :param intercept_dbm: [M] level at one metre of each of them, all equal where it is common
    """

    terms: Terms
    exponent: float
    losses_db: dict[str, float]
    tx: FloatArray
    intercept_dbm: FloatArray

    @property
    def name(self) -> str:
        """Name in tables."""
        return NAMES[self.terms]

    @property
    def description(self) -> str:
        """The fitted numbers in words."""
        parts = []
        if self.terms != "constant":
            parts.append(f"exponent {self.exponent:.2f}")
        parts += [f"{loss:.1f} dB a surface of {name}" for name, loss in self.losses_db.items()]
        return ", ".join(parts)

    def levels(self, links: LinkGeometry) -> FloatArray:
        """[M, N] levels [dBm]; a setup of another transmitter has the mean of the intercepts."""
        level = self.without_intercept(links)
        return level + at_transmitters(self.intercept_dbm, self.tx, links.tx)[:, None]

    def without_intercept(self, links: LinkGeometry) -> FloatArray:
        """[M, N] what distance and walls add to the level [dB]; NaN where no receiver is."""
        level = np.where(links.present, 0.0, np.nan)
        if self.terms != "constant":
            level = level - 10.0 * self.exponent * np.log10(links.distance)
        for name, loss in self.losses_db.items():
            if name in links.classes:
                level = level - loss * links.walls[:, :, links.classes.index(name)]
        return level


def fit_path_loss(
    terms: Terms,
    links: LinkGeometry,
    level_dbm: FloatArray,
    used: BoolArray,
    *,
    per_setup: bool,
) -> PathLossModel:
    """Least squares of one model.

    :param level_dbm: [M, N] measured levels
    :param used: [M, N] links that count; a setup without any has the mean intercept
    :param per_setup: an intercept for each setup (transmit powers unknown) instead of one for all
    """
    setup = np.nonzero(used)[0]
    group = setup if per_setup else np.zeros_like(setup)
    columns, names = [], []
    if terms != "constant":
        columns.append(-10.0 * np.log10(links.distance[used]))
    if terms == "walls":
        for c, name in enumerate(links.classes):
            number = links.walls[:, :, c][used]
            if number.any():
                columns.append(-number)
                names.append(name)
    design = np.array(columns).T.reshape(len(setup), len(columns))
    found = np.zeros(len(columns))
    if columns:
        target = centred(level_dbm[used], group)
        found = scipy.optimize.nnls(centred(design, group), target)[0]
    exponent = float(found[0]) if len(found) else 0.0
    losses = dict(zip(names, found[1:].tolist(), strict=True))
    model = PathLossModel(terms, exponent, losses, links.tx, np.zeros(len(links.tx)))
    residual = level_dbm - model.without_intercept(links)
    return replace(model, intercept_dbm=intercepts(residual, used, per_setup=per_setup))


def intercepts(residual: FloatArray, used: BoolArray, *, per_setup: bool) -> FloatArray:
    """[M] mean of the residuals [M, N] of each setup, or of all; that of the setups' means where a
    setup has none."""
    if not per_setup:
        return np.full(len(residual), residual[used].mean())
    number = used.sum(axis=1)
    mean = np.where(used, residual, 0.0).sum(axis=1) / np.maximum(number, 1)
    return np.where(number > 0, mean, mean[number > 0].mean())


def at_transmitters(values: FloatArray, known: FloatArray, tx: FloatArray) -> FloatArray:
    """[M] values [M'] of the transmitters ``known`` [M', 3] at the transmitters ``tx`` [M, 3]; the
    mean of them where there is none."""
    same = same_transmitters(tx, known)
    number = same.sum(axis=1)
    return np.where(number > 0, same @ values / np.maximum(number, 1), values.mean())
