"""Prior on the conductivities, and where an estimation starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.console import listed
from vlmrt_dist.errors import ConfigurationError, NumericalError
from vlmrt_dist.inference.options import Initial, Prior, check_choice
from vlmrt_dist.scene import (
    MAX_CONDUCTIVITY,
    MIN_CONDUCTIVITY,
    MaterialPrior,
    SceneModel,
    spread_of,
)

RANDOM_RANGE = (0.01, 0.06)
"""RandInit draws from this interval [S/m]."""


@dataclass(frozen=True)
class ConductivityPrior:
    """Prior on the conductivities of K objects at the reference carrier.

    :param median: [K] conductivities [S/m]
    :param width: [K] standard deviation of ln σ; infinite for none
    :param free: [K] objects whose conductivity is unknown
    :param permittivity_width: [K] standard deviation of ln ε_r; None: nobody says
    """

    median: FloatArray
    width: FloatArray
    free: BoolArray
    permittivity_width: FloatArray | None = None


def prior_of(
    scene: SceneModel,
    radio: RadioConfig,
    prior: Prior | MaterialPrior,
    fixed: Sequence[str] = (),
) -> ConductivityPrior:
    """:func:`stated_prior`, where something is left to estimate.

    :raises ConfigurationError: if nothing is, or as :func:`stated_prior` does
    """
    found = stated_prior(scene, radio, prior, fixed)
    if not found.free.any():
        raise ConfigurationError("every object of the scene is fixed; there is nothing to estimate")
    return found


def stated_prior(
    scene: SceneModel,
    radio: RadioConfig,
    prior: Prior | MaterialPrior,
    fixed: Sequence[str] = (),
) -> ConductivityPrior:
    """Prior on the conductivities of a scene's objects at the carrier of ``radio``.

    Vacuum and metal have no gradient: they are fixed whatever is asked. So is what a
    ``MaterialPrior`` is certain of (width 0).

    :param prior: widths about the values of the scene's own material classes (a number that the
        scene states instead has the width of its class), or medians and widths that somebody states
    :param fixed: objects of known conductivity, which stay as the scene states them
    :raises ConfigurationError: if a name in ``fixed`` is no object of the scene, or the prior is
        about other objects or is impossible
    """
    unknown = sorted(set(fixed) - set(scene.names))
    if unknown:
        raise ConfigurationError(f"no object is named {', '.join(map(repr, unknown))}")
    known = np.isin(scene.names, list(fixed))
    permittivity = None
    if isinstance(prior, MaterialPrior):
        median, widths = _checked(prior, scene, radio.frequency)
        if known.any():
            median = np.where(known, scene.conductivity(radio.frequency), median)
    else:
        median = scene.conductivity(radio.frequency)
        if prior.width is None:
            spreads = {m: spread_of(m, radio.frequency) for m in set(scene.materials)}
            widths = np.array([spreads[m].conductivity for m in scene.materials])
            permittivity = np.array([spreads[m].relative_permittivity for m in scene.materials])
        else:
            widths = np.full(scene.num_objects, float(prior.width))
    free = (median > MIN_CONDUCTIVITY) & (median < MAX_CONDUCTIVITY) & (widths > 0.0) & ~known
    return ConductivityPrior(median, widths, free, permittivity)


def _checked(
    given: MaterialPrior, scene: SceneModel, frequency: float
) -> tuple[FloatArray, FloatArray]:
    """Median and width of a prior that came from elsewhere."""
    if given.names != scene.names:
        raise ConfigurationError(
            "the prior is about other objects than the scene; it needs one entry for each of "
            + listed(scene.names)
        )
    c, d, width = (np.asarray(x, np.float64) for x in (given.c, given.d, given.width))
    shape = (scene.num_objects,)
    if not c.shape == d.shape == width.shape == shape:
        raise ConfigurationError(
            f"the prior must hold {scene.num_objects} values of c, d and width"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        median = given.conductivity(frequency)
    if not (np.isfinite(median).all() and (median >= 0.0).all()):
        raise ConfigurationError("the prior's conductivities must be finite and not negative [S/m]")
    if not (width >= 0.0).all():
        raise ConfigurationError("the prior's widths must not be negative; use inf for no prior")
    return median, width


def initial_conductivity(
    initial: Initial | FloatArray, prior: ConductivityPrior, rng: np.random.Generator
) -> FloatArray:
    """The start of the estimation [K] [S/m]; fixed objects keep their value.

    "itu" and "vlm" both start at the prior's median: whose values it holds is the caller's choice.

    :raises NumericalError: if values are given that are not positive and finite
    """
    median, free = prior.median, prior.free
    if isinstance(initial, str):
        check_choice("initial", initial, get_args(Initial))
        values = {
            "itu": lambda: median,
            "vlm": lambda: median,
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
