"""A fitted parameter vector in terms of objects and setups."""

from __future__ import annotations

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.multistart import Fit
from vlmrt_dist.inference.parameters import KINDS, Unknowns
from vlmrt_dist.inference.posterior import NORMAL_95
from vlmrt_dist.inference.quantities import Gains, JointCovariance, QuantityEstimate


def quantity_of(name: str, unknowns: Unknowns, fit: Fit, known: FloatArray) -> QuantityEstimate:
    """One parameter of every object after a fit.

    An object that the data say nothing about shows its prior.

    :param known: [K] values of objects that are fixed in it
    """
    entry = unknowns.entry.get(name, np.full(len(known), -1))
    free = entry >= 0
    at = np.where(free, entry, 0)
    lost = free & np.array([v == "unidentifiable" for v in fit.knowledge.verdict])[at]
    prior_std = np.where(free, np.minimum(unknowns.width, unknowns.vague)[at], 0.0)
    std = np.where(lost, prior_std, np.where(free, fit.knowledge.std[at], 0.0))
    kind = KINDS[name]
    back = np.log if kind.log else np.asarray
    fixed = np.where(free, 1.0, known)
    if kind.log:
        fixed = np.maximum(fixed, 1e-300)  # vacuum
    mean = np.where(free, unknowns.mean[at], back(fixed))
    x = np.where(free & ~lost, fit.x[at], mean)

    def value(of: FloatArray) -> FloatArray:
        return np.where(free, np.exp(of) if kind.log else of, known)

    wider = (fit.width > unknowns.width) & np.isfinite(fit.width)
    return QuantityEstimate(
        unit=kind.unit,
        value=value(x),
        std=std,
        low=value(x - NORMAL_95 * std),
        high=value(x + NORMAL_95 * std),
        prior=value(mean),
        prior_low=value(mean - NORMAL_95 * prior_std),
        prior_high=value(mean + NORMAL_95 * prior_std),
        verdict=tuple(fit.knowledge.verdict[i] if i >= 0 else "fixed" for i in entry),
        contradicts_prior=tuple(bool(w) for w in free & wider[at]),
    )


def gains_of(unknowns: Unknowns, fit: Fit) -> Gains | None:
    """Offsets of the levels; None if there are none."""
    if "gain" not in unknowns.entry:
        return None
    which = np.flatnonzero(np.array(unknowns.quantity) == "gain")
    of_link = unknowns.entry["gain"].reshape(-1, unknowns.num_receivers)
    return Gains(
        fit.x[which],
        fit.knowledge.std[which],
        tuple(fit.knowledge.verdict[i] for i in which),
        tuple(unknowns.label[i] for i in which),
        np.where(of_link >= 0, of_link - which[0], -1),
    )


def joint_of(unknowns: Unknowns, fit: Fit) -> JointCovariance:
    """Posterior covariance of all unknowns."""
    return JointCovariance(dict(unknowns.entry), fit.knowledge.full_covariance)


def covariance_of(joint: JointCovariance, num_objects: int) -> FloatArray:
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
