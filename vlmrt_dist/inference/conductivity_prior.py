"""Prior on the conductivities, and where an estimation starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.console import listed
from vlmrt_dist.errors import ConfigurationError, FrequencyError, NumericalError
from vlmrt_dist.inference.options import Initial, Prior, check_choice, check_correlation
from vlmrt_dist.scene import (
    CORRELATION,
    MAX_CONDUCTIVITY,
    MIN_CONDUCTIVITY,
    MaterialPrior,
    SceneLayers,
    SceneModel,
    Tails,
    conductivity_table,
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
    :param correlation: of ln σ and ln ε_r of an object
    :param heavy: tails are Student's
    :param layer_width: [Λ] standard deviation of ln σ of the layers that objects have
    :param layer_free: [Λ] layers of unknown conductivity
    :param layer_permittivity_width: [Λ] as that of the objects
    """

    median: FloatArray
    width: FloatArray
    free: BoolArray
    permittivity_width: FloatArray | None = None
    correlation: float = 0.0
    heavy: bool = False
    layer_width: FloatArray = field(default_factory=lambda: np.zeros(0))
    layer_free: BoolArray = field(default_factory=lambda: np.zeros(0, bool))
    layer_permittivity_width: FloatArray = field(default_factory=lambda: np.zeros(0))


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
    if not (found.free.any() or found.layer_free.any()):
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
    ``MaterialPrior`` is certain of (width 0), and the slab that only stands for an object's layers.

    :param prior: widths about the values of the scene's own material classes (a number that the
        scene states instead has the width of its class), or medians and widths that somebody states
    :param fixed: objects of known conductivity, and layers ("object/layer"), which stay as the
        scene states them; of an object with layers all of them
    :raises ConfigurationError: if a name in ``fixed`` is no object or layer of the scene, or the
        prior is about other objects or is impossible
    """
    layers = () if scene.layers is None else scene.layers.names
    unknown = sorted(set(fixed) - {*scene.names, *layers})
    if unknown:
        layered = f", the layers {listed(layers)}" if layers else ""
        raise ConfigurationError(
            f"no object is named {', '.join(map(repr, unknown))}; the objects are "
            f"{listed(scene.names)}{layered}"
        )
    known = np.isin(scene.names, list(fixed))
    permittivity, correlation = None, prior.correlation
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
            correlation = CORRELATION if correlation is None else correlation
        else:
            widths = np.full(scene.num_objects, float(prior.width))
    free = (median > MIN_CONDUCTIVITY) & (median < MAX_CONDUCTIVITY) & (widths > 0.0) & ~known
    free &= np.array([item.layered is None for item in scene.objects])
    own = ConductivityPrior(
        median, widths, free, permittivity, correlation or 0.0, prior.tails == "student_t"
    )
    return own if scene.layers is None else _with_layers(own, scene.layers, radio, prior, fixed)


def _with_layers(
    own: ConductivityPrior,
    layers: SceneLayers,
    radio: RadioConfig,
    prior: Prior | MaterialPrior,
    fixed: Sequence[str],
) -> ConductivityPrior:
    """The prior with that on the layers: a stated width, or those of their classes."""
    spreads = [spread_of(material, radio.frequency) for material in layers.materials]
    width = np.array([each.conductivity for each in spreads])
    if isinstance(prior, Prior) and prior.width is not None:
        width = np.full(len(width), prior.width)
    median = layers.conductivity(radio.frequency)
    free = (median > MIN_CONDUCTIVITY) & (median < MAX_CONDUCTIVITY)
    free &= ~np.isin(layers.names, list(fixed)) & ~np.isin(layers.objects, list(fixed))
    return replace(
        own,
        layer_width=width,
        layer_free=free,
        layer_permittivity_width=np.array([each.relative_permittivity for each in spreads]),
    )


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
    check_choice("tails", given.tails, get_args(Tails))
    check_correlation(given.correlation)
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
    initial: Initial | FloatArray,
    prior: ConductivityPrior,
    frequency: float,
    rng: np.random.Generator,
) -> FloatArray:
    """The start of the estimation [K] [S/m]; fixed objects keep their value.

    "itu" and "vlm" both start at the prior's median: whose values it holds is the caller's choice.

    :param frequency: carrier [Hz], at which the table's values are taken

    :raises NumericalError: if values are given that are not positive and finite
    :raises FrequencyError: if the table's mean is asked for where it has no values
    """
    median, free = prior.median, prior.free
    if isinstance(initial, str):
        check_choice("initial", initial, get_args(Initial))
        values = {
            "itu": lambda: median,
            "vlm": lambda: median,
            "uniform": lambda: np.full(len(median), median[free].mean()),
            "uniform_table": lambda: np.full(len(median), _mean_of_table(frequency)),
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


def _mean_of_table(frequency: float) -> float:
    """Mean conductivity [S/m] of all tabulated classes that have one to estimate."""
    table = conductivity_table(frequency)
    values = np.array([c * (frequency / 1e9) ** d for c, d in table.values()])
    usable = (values > MIN_CONDUCTIVITY) & (values < MAX_CONDUCTIVITY)
    if not usable.any():
        raise FrequencyError(f"ITU-R P.2040 has no values for any material at {frequency:g} Hz")
    return float(values[usable].mean())
