"""A flat that is more than its model: layered walls, furniture, wrong positions, shadowing.

The model has a slab for each wall, no furniture, and the stated positions. Its conductivities are
then effective ones: those with which it comes nearest to the levels. How many links' levels at new
positions lie in their intervals says whether the answer knows how wrong it is.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.field import Flaws, simulate
from vlmrt_dist.inference import LevenbergMarquardt, Noise, Prior, estimate
from vlmrt_dist.prediction import CALIBRATED, ITU, evaluate
from vlmrt_dist.scene import Layer, LayeredMaterial, SceneModel, SceneObject, box, rectangle
from vlmrt_dist.store import SCHEMA_VERSION, Timing
from vlmrt_dist.studies.benchmarks.engine_timing import nothing_timed

Mismatch = Literal["none", "layers", "furniture", "positions", "shadowing", "all"]
"""Part of the truth that is missing in the model."""

NoiseModel = Literal["receiver", "clutter"]
"""Errors that the estimation assumes: those of the receiver, or a scatter that grows with the
paths beside them, which is fitted."""

SIZE = np.array([10.0, 8.0, 2.7])
RECEIVER_DB = 0.5
"""Error of the receiver, which the estimation knows [dB]."""

POSITION_ERROR, SHADOWING_DB, SPREAD = 0.1, 2.0, 0.5
"""Error of the positions [m]; of the levels, by what nobody models [dB]; of ln σ about the classes.
"""

SETUPS, RECEIVERS, TESTS = 3, 20, 40
"""Transmitters, receivers of each to fit, and other receivers of each to predict."""

MANY = 10
"""So many times as many links tell the effective conductivities."""


@dataclass(frozen=True)
class Counts:
    """Answers of some truths of one case.

    :param links: new links
    :param inside: of them, those whose measured level lies in its 95 % interval
    :param squares: sum of the squared errors at new links [dB²]
    :param itu_squares: the same with ITU values
    :param answers: conductivities called estimated
    :param missed: of them, those whose interval excludes the effective value, which many times as
        many links without errors tell
    :param scale: sum over the truths of the factor by which residuals exceed the receiver's error
    """

    links: int
    inside: int
    squares: float
    itu_squares: float
    answers: int
    missed: int
    scale: float

    @classmethod
    def of(cls, timing: Timing) -> Counts:
        """The counts that a row of the ledger holds."""
        return cls(**json.loads(timing.label)["counts"])


@dataclass(frozen=True, eq=False)
class MismatchTask:
    """Truths of one kind of mismatch, each measured, estimated and predicted.

    :param truths: how many
    """

    mismatch: Mismatch
    noise: NoiseModel
    truths: int
    radio: RadioConfig

    def __str__(self) -> str:
        return f"{self.mismatch}, {self.noise}: {self.truths} truths"

    @property
    def key(self) -> str:
        """Content hash of what is counted."""
        parts = [
            "mismatch", self.mismatch, self.noise, self.truths, self.radio.key, flat().key,
            SETUPS, RECEIVERS, TESTS, MANY, POSITION_ERROR, SHADOWING_DB, SPREAD, RECEIVER_DB,
            engine_versions(), SCHEMA_VERSION,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def measure(self, study: str) -> Timing:
        """The counts as a row of the ledger; its label holds them."""
        begin = time.perf_counter()
        counts = self.counts()
        label = {"mismatch": self.mismatch, "noise": self.noise, "truths": self.truths}
        return nothing_timed(
            study, self.key, json.dumps(label | {"counts": vars(counts)}), "replay", self.radio,
            num_objects=flat().num_objects, num_setups=SETUPS, num_links=SETUPS * RECEIVERS,
            num_paths=0, seconds_fit=(time.perf_counter() - begin) / self.truths,
            iterations=self.truths, outcome="converged",
        )  # fmt: skip

    def counts(self) -> Counts:
        """The counts of all truths."""
        each = [self._truth(seed) for seed in range(self.truths)]
        return Counts(*(sum(column) for column in zip(*each, strict=True)))

    def _truth(self, seed: int) -> tuple[Any, ...]:
        world = World(self.mismatch, seed)
        fitted = world.measured(RECEIVERS, 1, self.radio)
        clutter: Literal["fit"] | None = "fit" if self.noise == "clutter" else None
        noise = Noise(db=RECEIVER_DB, clutter_db_per_sqrt_m=clutter)
        found = estimate(flat(), fitted, radio=self.radio, prior=Prior(1.0), noise=noise, seed=seed)
        new = world.measured(TESTS, 2, self.radio)
        errors = evaluate(flat(), new, estimate=found, radio=self.radio)
        effective = _effective(world, self.radio)
        told = np.array(found.verdict) == "estimated"
        wrong = told & ~((found.low <= effective) & (effective <= found.high))
        ours, itu = errors[CALIBRATED], errors[ITU]
        return (
            len(ours.error_db), round(ours.inside * len(ours.error_db)),
            float((ours.error_db**2).sum()), float((itu.error_db**2).sum()),
            int(told.sum()), int(wrong.sum()), found.noise_scale,
        )  # fmt: skip


@dataclass(frozen=True)
class World:
    """One truth: a flat, and how it is measured.

    :param seed: of its materials, its furniture and its errors
    """

    mismatch: Mismatch
    seed: int

    def has(self, kind: Mismatch) -> bool:
        """Whether the truth has something that the model lacks."""
        return self.mismatch in (kind, "all")

    def scene(self) -> SceneModel:
        """The true flat."""
        rng = np.random.default_rng([self.seed, 1])
        scene = flat()
        if self.has("layers"):
            scene = scene.with_layers(STACKS)
        if self.has("furniture"):
            scene = replace(scene, objects=(*scene.objects, *furniture(rng)))
        return scene

    def sigma(self) -> FloatArray:
        """[K] true conductivities: about the classes of the model; furniture has its class's.

        Layers keep those of the table.
        """
        rng = np.random.default_rng([self.seed, 2])
        scene = self.scene()
        factor = np.exp(SPREAD * rng.standard_normal(flat().num_objects))
        more = scene.num_objects - len(factor)
        return scene.conductivity(3.5e9) * np.concatenate([factor, np.ones(more)])

    def positions(self, receivers: int, number: int) -> Campaign:
        """Transmitters, always the same, and some receivers.

        :param number: another one for other receivers
        """
        scene = self.scene()
        first = random_campaign(scene, SETUPS, 1, seed=self.seed)
        return Campaign(first.tx, random_campaign(scene, SETUPS, receivers, seed=97 + number).rx)

    def measured(self, receivers: int, number: int, radio: RadioConfig) -> Campaign:
        """The campaign as it is measured there."""
        noise = np.hypot(RECEIVER_DB, SHADOWING_DB if self.has("shadowing") else 0.0)
        flaws = Flaws(position_error_m=POSITION_ERROR if self.has("positions") else 0.0)
        with _silent_receivers():
            return simulate(
                self.scene(), self.positions(receivers, number), conductivity=self.sigma(),
                radio=radio, noise_db=float(noise), flaws=flaws, seed=1000 * self.seed + number,
            )  # fmt: skip

    def effective(self, radio: RadioConfig) -> FloatArray:
        """[K] conductivities with which the model comes nearest to many levels without errors."""
        with _silent_receivers():
            levels = simulate(
                self.scene(), self.positions(MANY * RECEIVERS, 3), conductivity=self.sigma(),
                radio=radio,
            )  # fmt: skip
        found = estimate(
            flat(), levels, radio=radio, prior=Prior(1.0), noise=Noise(db=RECEIVER_DB),
            solver=LevenbergMarquardt(posterior="normal", folds=0),
        )  # fmt: skip
        return found.conductivity


@functools.lru_cache(maxsize=128)
def _effective(world: World, radio: RadioConfig) -> FloatArray:
    """:meth:`World.effective`, which two tasks, with one noise model each, ask for."""
    return world.effective(radio)


@contextlib.contextmanager
def _silent_receivers() -> Iterator[None]:
    """Receivers behind too much furniture are taken out, as :func:`simulate` says."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no path reaches")
        yield


def flat() -> SceneModel:
    """The model: a flat of 10 m × 8 m × 2.7 m with concrete floor and ceiling, outer walls of
    brick, and inner walls of plasterboard and of concrete with doorways."""
    x, y, z = SIZE
    low, high = np.zeros(3), SIZE
    objects = [
        rectangle("floor", "concrete", 2, 0.0, low[:2], high[:2]),
        rectangle("ceiling", "concrete", 2, z, low[:2], high[:2]),
        rectangle("outer_south", "brick", 1, 0.0, low[::2], high[::2]),
        rectangle("outer_north", "brick", 1, y, low[::2], high[::2]),
        rectangle("outer_west", "brick", 0, 0.0, low[1:], high[1:]),
        rectangle("outer_east", "brick", 0, x, low[1:], high[1:]),
        rectangle("inner_a", "plasterboard", 0, 4.0, np.array([0.0, 0.0]), np.array([3.0, z])),
        rectangle("inner_b", "plasterboard", 0, 4.0, np.array([4.0, 0.0]), np.array([y, z])),
        rectangle("inner_c", "concrete", 1, 4.5, np.array([4.0, 0.0]), np.array([7.0, z])),
        rectangle("inner_d", "concrete", 1, 4.5, np.array([8.0, 0.0]), np.array([x, z])),
    ]
    return SceneModel("flat", tuple(objects), np.stack([low, high]))


STACKS = {
    **dict.fromkeys(
        ("inner_a", "inner_b"),
        LayeredMaterial("stud_wall", (
            Layer("plasterboard", 0.0125), Layer("air", 0.075), Layer("plasterboard", 0.0125),
        )),
    ),
    **dict.fromkeys(
        ("inner_c", "inner_d"),
        LayeredMaterial("plastered_concrete", (
            Layer("concrete", 0.08), Layer("plasterboard", 0.02),
        )),
    ),
    **dict.fromkeys(
        ("outer_south", "outer_north", "outer_west", "outer_east"),
        LayeredMaterial("plastered_brick", (Layer("brick", 0.17), Layer("plasterboard", 0.03))),
    ),
}  # fmt: skip
"""Layers of the true walls."""


def furniture(rng: np.random.Generator) -> list[SceneObject]:
    """Six boxes of wood and metal on the floor, apart from each other and from the walls."""
    places = np.array([[1.0, 1.2], [1.2, 6.5], [2.6, 3.9], [5.4, 1.0], [8.8, 1.6], [6.0, 6.9],
                       [9.0, 6.6], [7.2, 2.6]])  # fmt: skip
    found = []
    for number, place in enumerate(rng.permutation(places)[:6]):
        size = np.array([*rng.uniform(0.4, 0.9, 2), rng.uniform(0.6, 2.0)])
        low = np.array([*(place - size[:2] / 2.0), 0.01])
        material = "metal" if number == 0 else "wood"
        found.append(box(f"furniture_{number}", material, low, low + size))
    return found
