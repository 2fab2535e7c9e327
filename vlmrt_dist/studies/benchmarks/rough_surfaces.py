"""Truths whose surfaces scatter, estimated by models whose surfaces are smooth, or scatter too.

The paper's room; objects of one class share conductivity and scattering coefficient. Truths are
simulated with more and other points of surfaces than estimates have.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from scipy.special import expit, logit

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.field import simulate
from vlmrt_dist.inference import LevenbergMarquardt, Noise, Parameters, Prior, Quantity, estimate
from vlmrt_dist.scene import SceneModel, box_room
from vlmrt_dist.store import SCHEMA_VERSION, Timing
from vlmrt_dist.studies.benchmarks.engine_timing import nothing_timed

SurfaceModel = Literal["smooth", "known", "unknown"]
"""What the estimation takes surfaces for: smooth; scattering as they do; or as unknown as σ."""

SURFACE_MODELS: tuple[SurfaceModel, ...] = get_args(SurfaceModel)

SETUPS, RECEIVERS, NOISE_DB = 3, 20, 0.2
PRIOR_WIDTH, PRIOR_SHARE, PRIOR_XPD = 0.5, 0.3, 0.1
"""Prior of the truths: standard deviation of ln σ; median of S, whose logit has 1 as standard
deviation; XPD coefficient, which is known."""

MANY_POINTS, OTHER_SEED = 4, 2
"""Factor on the points of a truth, and their seed."""


@dataclass(frozen=True)
class Errors:
    """Errors of some answers.

    :param asked: values that were unknown
    :param inside: of them, those in their 95 % interval
    :param told: values called estimated
    :param missed: of them, those outside their interval
    :param bias: sum of their errors: of ln σ, or of S
    :param squares: sum of the squared errors
    """

    asked: int = 0
    inside: int = 0
    told: int = 0
    missed: int = 0
    bias: float = 0.0
    squares: float = 0.0

    def __add__(self, other: Errors) -> Errors:
        return Errors(*(a + b for a, b in zip(vars(self).values(), vars(other).values(),
                                              strict=True)))  # fmt: skip

    @classmethod
    def of(cls, quantity: Any, truth: FloatArray, error: FloatArray, first: IntArray) -> Errors:
        """Those of one estimate.

        :param quantity: estimate of K objects
        :param truth: [K]
        :param error: [K]
        :param first: [K] objects that stand for their class
        """
        inside = quantity.holds(truth)[first]
        told = (np.array(quantity.verdict) == "estimated")[first]
        own = error[first][told]
        return cls(
            len(inside), int(inside.sum()), int(told.sum()), int((told & ~inside).sum()),
            float(own.sum()), float((own**2).sum()),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class RoughTask:
    """Truths with one scattering coefficient, each measured and estimated.

    :param share: S of all surfaces; None: drawn from the prior
    :param model: what the estimation takes surfaces for
    :param truths: how many
    :param radio: with diffuse reflection
    """

    share: float | None
    model: SurfaceModel
    truths: int
    radio: RadioConfig

    def __str__(self) -> str:
        share = "S of the prior" if self.share is None else f"S = {self.share:g}"
        return f"{share}, {self.model}: {self.truths} truths"

    @property
    def key(self) -> str:
        """Content hash of what is counted."""
        parts = [
            "rough", self.share, self.model, self.truths, self.radio.key, box_room().key, SETUPS,
            RECEIVERS, NOISE_DB, PRIOR_WIDTH, PRIOR_SHARE, PRIOR_XPD, MANY_POINTS,
            engine_versions(), SCHEMA_VERSION,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def measure(self, study: str) -> Timing:
        """The errors as a row of the ledger; its label holds them."""
        begin = time.perf_counter()
        of_sigma, of_share = self.errors()
        label = {"S": self.share, "model": self.model, "truths": self.truths}
        errors = {"sigma": vars(of_sigma), "share": vars(of_share)}
        return nothing_timed(
            study, self.key, json.dumps(label | errors), "replay", self.radio,
            num_objects=box_room().num_objects, num_setups=SETUPS,
            num_links=SETUPS * RECEIVERS, num_paths=0,
            seconds_fit=(time.perf_counter() - begin) / self.truths,
            iterations=self.truths, outcome="converged",
        )  # fmt: skip

    @staticmethod
    def found(timing: Timing) -> tuple[Errors, Errors]:
        """The errors of σ and of S that a row of the ledger holds."""
        label = json.loads(timing.label)
        return Errors(**label["sigma"]), Errors(**label["share"])

    def errors(self) -> tuple[Errors, Errors]:
        """Errors of σ and of S over all truths."""
        of_sigma, of_share = Errors(), Errors()
        for seed in range(self.truths):
            one, other = self._truth(seed)
            of_sigma, of_share = of_sigma + one, of_share + other
        return of_sigma, of_share

    def _truth(self, seed: int) -> tuple[Errors, Errors]:
        rough, sigma = true_room(self.share, seed)
        levels = measured(rough, sigma, self.radio, seed)
        smooth = self.model == "smooth"
        room = box_room().with_materials(xpd_coefficient=rough.xpd_coefficient)
        quantities: tuple[Quantity, ...] = ("conductivity",)
        if self.model == "known":
            room = rough
        elif self.model == "unknown":
            quantities = ("conductivity", "scattering_coefficient")
            room = room.with_materials(scattering_coefficient=np.full(9, PRIOR_SHARE))
        found = estimate(
            room, levels, radio=self.radio.replace(diffuse_reflection=not smooth),
            prior=Prior(PRIOR_WIDTH), noise=Noise(db=NOISE_DB),
            parameters=Parameters(quantities, groups="material"),
            solver=LevenbergMarquardt(folds=0), seed=seed,
        )  # fmt: skip
        first = np.unique(room.materials, return_index=True)[1]
        own = found.calibration.quantities["conductivity"]
        one = Errors.of(own, sigma, np.log(own.value / sigma), first)
        if self.model != "unknown":
            return one, Errors()
        share, truth = found.others["scattering_coefficient"], rough.scattering_coefficient
        return one, Errors.of(share, truth, share.value - truth, first)


def true_room(share: float | None, seed: int) -> tuple[SceneModel, FloatArray]:
    """The paper's room with scattering surfaces, and its conductivities [K] [S/m]; objects of one
    class have the same."""
    rng = np.random.default_rng(seed)
    room = box_room()
    classes, of = np.unique(room.materials, return_inverse=True)
    factor = np.exp(PRIOR_WIDTH * rng.standard_normal(len(classes)))
    drawn = expit(logit(PRIOR_SHARE) + rng.standard_normal(len(classes)))
    own = drawn if share is None else np.full(len(classes), share)
    rough = room.with_materials(
        scattering_coefficient=own[of], xpd_coefficient=np.full(room.num_objects, PRIOR_XPD)
    )
    return rough, room.conductivity(3.5e9) * factor[of]


def measured(scene: SceneModel, sigma: FloatArray, radio: RadioConfig, seed: int) -> Campaign:
    """Levels of a truth with normal errors."""
    finer = radio.replace(
        scattering_points=MANY_POINTS * radio.scattering_points, seed=radio.seed + OTHER_SEED
    )
    positions = random_campaign(scene, SETUPS, RECEIVERS, seed=seed)
    return simulate(scene, positions, conductivity=sigma, radio=finer, noise_db=NOISE_DB, seed=seed)
