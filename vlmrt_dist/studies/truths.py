"""True values of a study: drawn for each seed, as wide as the priors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.field import Objective, perturbed
from vlmrt_dist.inference import KINDS, Parameters, Prior, Unknowns, prior_of, unknowns_of
from vlmrt_dist.studies.point import Point

PERMITTIVITY_SEED = 2_000_003
"""Added to a truth's seed for its permittivities."""


@dataclass(frozen=True, eq=False)
class Truth:
    """True values of S seeds.

    :param conductivity: [S, K] at the reference carrier [S/m]
    :param permittivity: [S, K] the same of ε_r; None where it is known
    :param gain_db: [S, M] offset of all levels of a setup [dB]
    """

    unknowns: Unknowns
    conductivity: FloatArray
    permittivity: FloatArray | None
    gain_db: FloatArray

    def received(self, objective: Objective, index: int | None = None) -> FloatArray:
        """[S, M, N] received powers [W], offsets included.

        :param index: of the one seed that is asked for; None: all
        """
        which = slice(None) if index is None else slice(index, index + 1)
        sigma = self.conductivity[which]
        if self.permittivity is None:
            rss = objective.rss(sigma)
        else:
            x = self.unknowns.at_conductivity(sigma)
            entry = self.unknowns.entry["relative_permittivity"]
            x[:, entry[entry >= 0]] = np.log(self.permittivity[which][:, entry >= 0])
            rss = np.array([objective.levels(self.unknowns.materials(row), ()).rss for row in x])
        return rss * 10.0 ** (self.gain_db[which][:, :, None] / 10.0)

    def repeated(self, count: int) -> Truth:
        """The same seeds, ``count`` times one after another."""
        permittivity = self.permittivity
        return replace(
            self,
            conductivity=np.tile(self.conductivity, (count, 1)),
            permittivity=None if permittivity is None else np.tile(permittivity, (count, 1)),
            gain_db=np.tile(self.gain_db, (count, 1)),
        )


def truth_of(point: Point, free: BoolArray) -> Truth:
    """Conductivities as in the paper; permittivities and offsets as wide as their priors. Objects
    that are tied by their material share a draw."""
    scene, radio = point.scene, point.radio
    shared = list(range(scene.num_objects))
    if point.groups == "material":
        shared = [scene.materials.index(m) for m in scene.materials]
    itu = scene.conductivity(radio.frequency)
    one = np.ones(scene.num_objects)
    factor = np.array([
        perturbed(one, seed, point.truth_width, 2.0 * point.truth_width)[shared]
        for seed in point.seeds
    ])  # fmt: skip
    sigma = np.where(free, itu * factor, itu)  # what is fixed is known
    permittivity = None
    if "relative_permittivity" in point.unknowns:
        width = point.widths.get("relative_permittivity", KINDS["relative_permittivity"].width)
        draws = [perturbed(one, PERMITTIVITY_SEED + s, width, 2.0 * width) for s in point.seeds]
        known = scene.relative_permittivity(radio.frequency)
        permittivity = np.where(free, known * np.array(draws)[:, shared], known)
    gain = np.zeros((len(point.seeds), point.campaign.num_setups))
    if point.gain_offset_db is not None:
        stated = np.isfinite(point.gain_offset_db)
        size = point.gain_offset_db if stated else KINDS["gain"].width
        shape = gain.shape[1]
        gain = size * np.array(
            [np.random.default_rng([s, 4]).standard_normal(shape) for s in point.seeds]
        )
    prior = prior_of(scene, radio, Prior(np.inf))
    quantities = Parameters(point.parameters.quantities)
    apart = unknowns_of(scene, point.campaign, radio, prior, quantities)
    return Truth(apart, sigma, permittivity, gain)


def level_errors(seed: int, shape: tuple[int, ...]) -> FloatArray:
    """Standard normal errors of the levels of one seed."""
    return np.random.default_rng([seed, 2]).standard_normal(shape)
