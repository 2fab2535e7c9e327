"""What is believed before the measurement, and where an estimation starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.errors import ConfigurationError, NumericalError
from vlmrt_dist.optimizers import MAX_CONDUCTIVITY, MIN_CONDUCTIVITY
from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.scene import SceneModel

Initial = Literal["itu", "uniform", "random"]
INITIALS: tuple[str, ...] = ("itu", "uniform", "random")

RANDOM_RANGE = (0.01, 0.06)
"""RandInit draws from this interval [S/m]."""


@dataclass(frozen=True)
class Prior:
    """What is believed before the measurement.

    :param median: [K] conductivities [S/m]
    :param width: standard deviation of ln σ; infinite for none
    :param free: [K] objects whose conductivity is unknown
    """

    median: NDArray[np.float64]
    width: float
    free: NDArray[np.bool_]


def prior_of(
    scene: SceneModel, radio: RadioConfig, width: float, fixed: Sequence[str] = ()
) -> Prior:
    """The ITU prior of the scene's material classes.

    Vacuum and metal have no gradient: they are fixed whatever is asked.

    :raises ConfigurationError: if a name in ``fixed`` is no object of the scene, or nothing is left
    """
    unknown = sorted(set(fixed) - set(scene.names))
    if unknown:
        raise ConfigurationError(f"no object is named {', '.join(map(repr, unknown))}")
    median = scene.conductivity(radio.frequency)
    free = (median > MIN_CONDUCTIVITY) & (median < MAX_CONDUCTIVITY)
    free &= ~np.isin(scene.names, list(fixed))
    if not free.any():
        raise ConfigurationError("every object of the scene is fixed; there is nothing to estimate")
    return Prior(median, float(width), free)


def initial_conductivity(
    initial: Initial | NDArray[np.float64], prior: Prior, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The start of the estimation [K] [S/m]; fixed objects keep their value.

    :raises NumericalError: if values are given that are not positive and finite
    """
    median, free = prior.median, prior.free
    if isinstance(initial, str):
        check_choice("initial", initial, INITIALS)
        values = {
            "itu": lambda: median,
            "uniform": lambda: np.full(len(median), median[free].mean()),
            "random": lambda: rng.uniform(*RANDOM_RANGE, len(median)),
        }[initial]()
    else:
        values = np.asarray(initial, np.float64)
        usable = values.shape == median.shape
        if not usable or not (np.isfinite(values[free]).all() and (values[free] > 0).all()):
            raise NumericalError(
                f"initial conductivities must be {len(median)} numbers, positive and finite where "
                "the object is not fixed [S/m]"
            )
    return np.where(free, values, median)


def check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    """:raises ConfigurationError: if ``value`` is none of ``choices``"""
    if value not in choices:
        raise ConfigurationError(f"unknown {what} {value!r}; use one of {', '.join(choices)}")
