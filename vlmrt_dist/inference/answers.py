"""A fitted parameter vector in terms of objects and setups."""

from __future__ import annotations

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.inference.devices import ANGLES, OF_DEVICES
from vlmrt_dist.inference.multistart import Fit
from vlmrt_dist.inference.parameters import KINDS, Unknowns
from vlmrt_dist.inference.posterior import NORMAL_95
from vlmrt_dist.inference.quantities import (
    DelayOffsets,
    DeviceEstimate,
    ExcessLoss,
    Gains,
    JointPosterior,
    QuantityEstimate,
)
from vlmrt_dist.inference.verdicts import Marginals, Part, Verdict, contradicted, marginals


def quantity_of(
    name: str, unknowns: Unknowns, fit: Fit, known: FloatArray, found: Marginals | None = None
) -> QuantityEstimate:
    """One parameter of every object after a fit.

    An object that the data say nothing about shows its prior.

    :param known: [K] values of objects that are fixed in it
    :param found: what is said of each unknown; None: it is judged here
    """
    found = found or marginals(fit, unknowns)
    entry = unknowns.entry.get(name, np.full(len(known), -1))
    free = entry >= 0
    at = np.where(free, entry, 0)
    lost = free & (np.array(found.verdict) == "not_identified")[at]
    told = free & ~lost
    prior_std = np.where(free, np.minimum(unknowns.width, unknowns.vague)[at], 0.0)
    kind = KINDS[name]
    fixed = np.where(free, 0.5, known)
    if kind.scale == "log":
        fixed = np.maximum(fixed, 1e-300)  # vacuum
    with np.errstate(divide="ignore"):  # a smooth surface
        mean = np.where(free, unknowns.mean[at], kind.of_value(fixed))
    prior_low, prior_high = mean - NORMAL_95 * prior_std, mean + NORMAL_95 * prior_std

    def value(of: FloatArray) -> FloatArray:
        if name == "penetration_loss":  # a normal distribution reaches below none
            of = np.clip(of, kind.low, kind.high)
        return np.where(free, kind.value(of), known)

    return QuantityEstimate(
        unit=kind.unit,
        value=value(np.where(told, found.x[at], mean)),
        std=np.where(told, found.std[at], prior_std),
        low=value(np.where(told, found.low[at], prior_low)),
        high=value(np.where(told, found.high[at], prior_high)),
        prior=value(mean),
        prior_low=value(prior_low),
        prior_high=value(prior_high),
        verdict=tuple(found.verdict[i] if i >= 0 else "fixed" for i in entry),
        contradicts_prior=tuple((free & contradicted(fit, unknowns, found)[at]).tolist()),
        parts=tuple(_in_unit(found.parts[i], name) if i >= 0 else () for i in entry),
    )


def _in_unit(parts: tuple[Part, ...], name: str) -> tuple[Part, ...]:
    """Intervals of x as intervals of the value."""
    if KINDS[name].scale == "linear":
        return parts

    def value(x: float) -> float:
        return float(KINDS[name].value(np.array(x)))

    return tuple(
        part._replace(low=value(part.low), high=value(part.high), value=value(part.value))
        for part in parts
    )


def gains_of(unknowns: Unknowns, found: Marginals) -> Gains | None:
    """Offsets of the levels; None if there are none."""
    offsets = _offsets(unknowns, found, "gain")
    return None if offsets is None else Gains(*offsets)


def delay_offsets_in(unknowns: Unknowns, found: Marginals) -> DelayOffsets | None:
    """Offsets of the delays; None if there are none."""
    offsets = _offsets(unknowns, found, "delay_offset")
    return None if offsets is None else DelayOffsets(*offsets)


def _offsets(
    unknowns: Unknowns, found: Marginals, quantity: str
) -> tuple[FloatArray, FloatArray, tuple[Verdict, ...], tuple[str, ...], IntArray] | None:
    """Values, standard deviations, verdicts and names of the offsets of one quantity, and the
    number of each link's; None if there are none."""
    which = np.flatnonzero(np.array(unknowns.quantity) == quantity)
    if not len(which):
        return None
    of_link = unknowns.entry[quantity].reshape(-1, unknowns.num_receivers)
    return (
        found.x[which],
        found.std[which],
        tuple(found.verdict[i] for i in which),
        tuple(unknowns.label[i] for i in which),
        np.where(of_link >= 0, of_link - which[0], -1),
    )


def excess_loss_of(unknowns: Unknowns, found: Marginals) -> ExcessLoss | None:
    """Mean loss a metre beyond the model's; None if it was not unknown."""
    if "excess_loss" not in unknowns.quantity:
        return None
    i = unknowns.quantity.index("excess_loss")
    value, low, high, std = (float(v[i]) for v in (found.x, found.low, found.high, found.std))
    return ExcessLoss(value, low, high, std, found.verdict[i])


def devices_found(unknowns: Unknowns, found: Marginals) -> tuple[DeviceEstimate, ...]:
    """Orientations, positions and transmit powers that were unknown, as differences to those
    stated."""
    values = []
    for i, name in enumerate(unknowns.quantity):
        if name not in OF_DEVICES:
            continue
        unit, scale = KINDS[name].unit, 1.0
        if name in ANGLES:
            unit, scale = "°", 180.0 / np.pi
        value, std, low, high = (
            scale * float(v[i]) for v in (found.x, found.std, found.low, found.high)
        )
        label, verdict = unknowns.label[i], found.verdict[i]
        values.append(DeviceEstimate(name, label, value, std, low, high, verdict, unit))
    return tuple(values)


def joint_of(unknowns: Unknowns, fit: Fit) -> JointPosterior:
    """Posterior of all unknowns."""
    return JointPosterior(
        dict(unknowns.entry), fit.knowledge.full_covariance, unknowns.quantity, unknowns.label,
        fit.x, fit.draws,
    )  # fmt: skip


def covariance_of(joint: JointPosterior, num_objects: int) -> FloatArray:
    """[K, K] posterior covariance of ln σ, zero where fixed."""
    entry = joint.entry.get("conductivity")
    if entry is None:
        return np.zeros((num_objects, num_objects))
    if np.array_equal(entry, np.arange(len(joint.matrix))):
        return joint.matrix
    free = entry >= 0
    found = joint.matrix[np.ix_(entry, entry)]
    found[~free] = 0.0
    found[:, ~free] = 0.0
    return found


def entry_names(unknowns: Unknowns) -> list[str]:
    """Name of each entry of x; with its quantity where there are several."""
    if set(unknowns.quantity) == {"conductivity"}:
        return list(unknowns.label)
    words = [q.replace("_", " ") for q in unknowns.quantity]
    return [f"{w} of {name}" for w, name in zip(words, unknowns.label, strict=True)]
