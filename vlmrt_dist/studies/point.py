"""One configuration of a study, and the keys of its rows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference import (
    PRIOR_WIDTH,
    Adam,
    Initial,
    LinkLoss,
    Noise,
    Parameters,
    Quantity,
)
from vlmrt_dist.scene import MaterialPrior, SceneModel
from vlmrt_dist.store import SCHEMA_VERSION

Protocol = Literal["same_paths", "independent"]
"""Paths of the true levels: the estimation's own, or those of another solver: every path where the
estimation samples, a union of Sionna's solves where the estimation has every path."""
ReportedProtocol = Literal["same_paths", "exact", "independent"]
"""Protocol of the rows: "exact" where truth and estimate both have every path."""
Method = Literal["adam", "adam_fine", "adam_log", "levenberg_marquardt", "map"]
"""An optimizer without a prior, as in the paper, or "map": as :func:`vlmrt_dist.estimate` does it,
Levenberg-Marquardt with the prior, several starts, and a prior that is widened where the levels
contradict it."""

TRUTH_SEED = 1_000_003
"""Added to the path seed for the truth of the ``independent`` protocol."""

STUDY_VERSION = 5
"""Part of every key: raise it when the same point would give other rows."""

JOINT_VERSION = 1
"""The same for points where permittivities or offsets are unknown too."""

TRUTH_WIDTH = 0.1
"""Standard deviation of the factors λ of the paper's truths."""

TRUNCATION = 2.5
"""Standard deviations within which an antenna stands of where it is said to."""

WIDEST = 0.5
"""Truths reach to twice their width below one, so that from here on some would be negative."""


@dataclass(frozen=True, eq=False)
class Point:
    """One configuration of a study, for several seeds.

    :param study: name of the study
    :param scene: K objects; their own conductivities are the ITU values that truths vary about
    :param campaign: positions of M setups of N receivers
    :param radio: radio configuration of the estimation
    :param optimizers: which methods, on the same paths
    :param initial: where they start
    :param protocol: whether the truth is simulated on the estimation's own paths
    :param seeds: a truth each, and the noise on its levels
    :param label: what distinguishes the point within its study, for tables and figures
    :param noise_db: standard deviation of the normal error of each level, known to the fit [dB]
    :param priors: a prior for each seed, its medians and widths those of "map"; ``initial="vlm"``
        starts there; None: the ITU values of the scene's own material classes
    :param prior_width: where ``priors`` is None: standard deviation of ln σ that "map" takes. The
        truths' own is 0.1 (:func:`~vlmrt_dist.field.simulation.perturbed`)
    :param unknowns: "conductivity", or "relative_permittivity" beside it ("map" only). The truths
        of permittivities are as wide as their prior, normal and truncated at twice that
    :param groups: "material" ties objects of one class, in the truth and in the estimate
    :param gain_offset_db: standard deviation of an unknown offset of each setup's levels ("map"
        only)
    :param widths: see :func:`vlmrt_dist.estimate`
    :param adam: what the method "adam" does; others take their most iterations from it
    :param learning_rate: Adam's η (> 0); None: the optimizer's own
    :param truth_width: standard deviation of λ in the truths σ = λ σ_ITU, truncated at twice that
    :param loss: how large residuals count for the methods that are not Adam
    :param held_out: whether fits are tried on a random setup too; anywhere in a city, as good as
        nothing is received
    :param truth_radio: radio configuration of the true levels, for the protocol "independent";
        None: see :data:`Protocol`
    :param position_error_m: standard deviation of each coordinate of the antennas in the truth
        about the stated one, truncated at :data:`TRUNCATION` of it; another draw for each seed [m]
    :raises ConfigurationError: if there are not as many priors as seeds, or ``initial="vlm"`` has
        none to start at, or something makes no sense
    """

    study: str
    scene: SceneModel
    campaign: Campaign
    radio: RadioConfig
    optimizers: tuple[Method, ...]
    initial: Initial
    protocol: Protocol
    seeds: tuple[int, ...]
    label: dict[str, float | str] = field(default_factory=dict)
    noise_db: float = 0.0
    priors: tuple[MaterialPrior, ...] | None = None
    prior_width: float = PRIOR_WIDTH
    unknowns: tuple[Quantity, ...] = ("conductivity",)
    groups: Literal["material"] | None = None
    gain_offset_db: float | None = None
    widths: dict[str, float] = field(default_factory=dict)
    adam: Adam = field(default_factory=Adam)
    learning_rate: float | None = None
    truth_width: float = TRUTH_WIDTH
    loss: LinkLoss = "squared"
    held_out: bool = True
    truth_radio: RadioConfig | None = None
    position_error_m: float = 0.0

    def __post_init__(self) -> None:
        if len(set(self.seeds)) != len(self.seeds) or len(set(self.optimizers)) != len(
            self.optimizers
        ):
            raise ConfigurationError("a point's seeds and optimizers must each be different")
        if self.priors is not None and len(self.priors) != len(self.seeds):
            raise ConfigurationError("a point needs one prior for each of its seeds")
        if self.priors is None and self.initial == "vlm":
            raise ConfigurationError("a point that starts at 'vlm' needs priors to start at")
        if not (np.isfinite(self.noise_db) and self.noise_db >= 0.0):
            raise ConfigurationError("noise_db must be a finite number, not negative [dB]")
        adams = all(str(optimizer).startswith("adam") for optimizer in self.optimizers)
        if self.learning_rate is not None and not (
            adams and np.isfinite(self.learning_rate) and self.learning_rate > 0.0
        ):
            raise ConfigurationError("learning_rate must be positive, and is Adam's only")
        if self.loss not in get_args(LinkLoss) or (self.loss != "squared" and adams):
            raise ConfigurationError("loss is squared, huber or student_t, and not Adam's")
        if not 0.0 < self.truth_width < WIDEST:
            raise ConfigurationError(f"truth_width must lie between 0 and {WIDEST:g}")
        if not 0.0 <= self.position_error_m < np.inf:
            raise ConfigurationError("position_error_m must be finite and not negative [m]")
        if self.truth_radio is not None and self.protocol != "independent":
            raise ConfigurationError("truth_radio goes with the protocol 'independent'")
        if not self.prior_width > 0.0:
            raise ConfigurationError("prior_width must be positive; use inf for no prior")
        if "conductivity" not in self.unknowns or set(self.unknowns) - {
            "conductivity",
            "relative_permittivity",
        }:
            raise ConfigurationError(
                "a point's unknowns are conductivity, alone or with relative_permittivity"
            )
        if not all(0.0 < width < WIDEST for width in self.widths.values()):
            raise ConfigurationError(
                f"widths of a point must lie between 0 and {WIDEST:g}: its truths are drawn as wide"
            )
        more = len(self.unknowns) > 1 or self.groups is not None or self.gain_offset_db is not None
        if more and set(self.optimizers) != {"map"}:
            raise ConfigurationError(
                "only the method 'map' knows permittivities, groups and offsets"
            )

    @property
    def parameters(self) -> Parameters:
        """The unknown parameters, as options of an estimation."""
        return Parameters(self.unknowns, groups=self.groups, widths=self.widths)

    @property
    def noise(self) -> Noise:
        """Noise of the levels, as an option of an estimation."""
        return Noise(db=self.noise_db, gain_offset_db=self.gain_offset_db)

    def configuration(self, optimizer: str) -> str:
        """Content hash (SHA-256, hexadecimal) of everything that determines the rows of one method
        but their seeds, and the priors drawn with them."""
        return content_key(self._parts(optimizer, self.campaign.key))

    def _parts(self, optimizer: str, campaign: str) -> list[Any]:
        """What :meth:`configuration` is the hash of, with the campaign's key."""
        joint = len(self.unknowns) > 1 or self.gain_offset_db is not None
        parts: list[Any] = [
            self.scene.key,
            campaign,
            self.radio.key,
            optimizer,
            str(self.initial),
            self.protocol,
            self.label,
            self.noise_db,
            self.prior_width,
            list(self.unknowns),
            self.groups,
            self.gain_offset_db,
            self.widths,
            engine_versions(),
            [STUDY_VERSION, JOINT_VERSION] if joint else STUDY_VERSION,
            SCHEMA_VERSION,
        ]
        if self.learning_rate is not None or self.loss != "squared":
            parts.append([self.learning_rate, self.loss])
        adam = _plain_adam(self.adam)
        if optimizer.startswith("adam") and adam != _plain_adam(Adam()):
            parts.append(adam)
        if self.truth_width != TRUTH_WIDTH:
            parts.append({"truth_width": self.truth_width})
        if not self.held_out:
            parts.append("no held-out setup")
        if self.truth_radio is not None:
            parts.append({"truth_radio": self.truth_radio.key})
        if self.position_error_m:
            parts.append({"position_error_m": self.position_error_m})
        return parts

    @property
    def companions(self) -> str:
        """Content hash that is equal for points that can be evaluated together: they differ in
        their start and label only, and where Adam runs in their positions and seeds as well. Priors
        of their own set a point apart."""
        if self.priors is not None or not any(o.startswith("adam") for o in self.optimizers):
            return self.of_shared_levels
        campaign = self.campaign
        size = [campaign.num_setups, campaign.present.shape[1], len(self.seeds)]
        return content_key([*self._unlabelled("any"), size])

    @property
    def of_shared_levels(self) -> str:
        """Content hash that is equal for points with the same paths and levels: they differ in
        their start and label only."""
        own = [_plain(prior) for prior in self.priors] if self.priors else None
        start = None if own is None else [str(self.initial), own]
        return content_key([*self._unlabelled(self.campaign.key), list(self.seeds), start])

    def _unlabelled(self, campaign: str) -> list[Any]:
        """What determines rows but for start, label, seeds and the campaign itself."""
        alike = dataclasses.replace(self, initial="itu", priors=None, label={})
        return [alike._parts(optimizer, campaign) for optimizer in self.optimizers]

    def row_key(self, optimizer: str, seed: int) -> str:
        """Content hash of everything that determines one row; other seeds and methods do not.

        :raises ConfigurationError: if the seed is none of the point's
        """
        if seed not in self.seeds:
            raise ConfigurationError(f"seed {seed} is none of the point's")
        prior = self.priors[self.seeds.index(seed)] if self.priors is not None else None
        return content_key([self.configuration(optimizer), seed, _plain(prior) if prior else None])

    @property
    def row_keys(self) -> dict[str, tuple[Method, int]]:
        """Method and seed of every row, by key, in the rows' order."""
        priors = self.priors or (None,) * len(self.seeds)
        return {
            content_key([configuration, seed, _plain(prior) if prior else None]): (optimizer, seed)
            for optimizer in self.optimizers
            for configuration in (self.configuration(optimizer),)
            for seed, prior in zip(self.seeds, priors, strict=True)
        }

    def parts(self, missing: Container[str]) -> list[Point]:
        """Missing rows of the point, as few points: methods that lack the same seeds together.

        :param missing: keys of rows
        """
        lacking: dict[tuple[int, ...], list[Method]] = {}
        keys = self.row_keys
        for optimizer in self.optimizers:
            seeds = tuple(s for key, (o, s) in keys.items() if o == optimizer and key in missing)
            if seeds:
                lacking.setdefault(seeds, []).append(optimizer)
        return [
            dataclasses.replace(
                self,
                optimizers=tuple(optimizers),
                seeds=seeds,
                priors=self.priors and tuple(self.priors[self.seeds.index(s)] for s in seeds),
            )
            for seeds, optimizers in lacking.items()
        ]

    @property
    def reported_protocol(self) -> ReportedProtocol:
        """Protocol of the rows; see :data:`ReportedProtocol`."""
        if self.position_error_m:
            return "independent"
        shared = self.protocol == "same_paths"
        return "exact" if shared and self.radio.path_set == "exact" else self.protocol

    @property
    def true_radio(self) -> RadioConfig:
        """Radio configuration of the true levels; see :data:`Protocol`."""
        if self.protocol == "same_paths":
            return self.radio
        if self.truth_radio is not None:
            return self.truth_radio
        if self.radio.path_set != "exact":
            return self.radio.replace(path_set="exact")
        return self.radio.replace(path_set="united_solves", seed=self.radio.seed + TRUTH_SEED)

    def __str__(self) -> str:
        label = " ".join(f"{k}={v}" for k, v in self.label.items())
        return f"{label} {self.reported_protocol}"


def content_key(parts: list[Any]) -> str:
    """SHA-256, in hexadecimal, of values that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _plain_adam(adam: Adam) -> dict[str, Any]:
    """Options of Adam as plain values for a key; where it starts and its engine are the point's."""
    values = dataclasses.asdict(adam) | {"stop_kind": type(adam.stop).__name__}
    return {name: value for name, value in values.items() if name not in ("initial", "engine")}


def _plain(prior: MaterialPrior) -> list[Any]:
    """A prior as plain values for a key."""
    arrays = [np.asarray(x, np.float64).tolist() for x in (prior.c, prior.d, prior.width)]
    return [list(prior.names), list(prior.materials), *arrays]
