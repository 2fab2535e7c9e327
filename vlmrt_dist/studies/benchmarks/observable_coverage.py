"""How often the 95 % intervals from each observable hold the truth, offsets included.

Truths are drawn from the prior that the estimator is given, and values from the noise that it is
told. Each is fitted from the prior's mean and from the truth, and the interval is that of the
normal posterior at the better end: the priors are narrow, and what is counted is the likelihood of
the observable and its derivatives, not the search for minima. Where positions are unknown, paths
keep the faces that they meet, in the truths as in the fits.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Antenna, Campaign, DelayPower, RadioConfig, parse_observables
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.field import simulate
from vlmrt_dist.inference import (
    Assumptions,
    Noise,
    Parameters,
    Prior,
    Problem,
    appraise,
    levenberg_marquardt,
    open_problem,
)
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import SCHEMA_VERSION, Timing
from vlmrt_dist.studies.benchmarks.engine_timing import nothing_timed
from vlmrt_dist.studies.benchmarks.interval_coverage import Tally
from vlmrt_dist.studies.point import content_key

SIGMA_WIDTH, PERMITTIVITY_WIDTH = 0.3, 0.02
"""Prior standard deviations of ln σ and ln ε_r of the truths."""

UnknownOf = Literal["offsets", "orientations", "positions"]
"""What of links and devices is unknown beside the materials: offsets of levels and of delays; yaw
and pitch of the transmitters, yaw of the receivers and the transmitters' powers; coordinates of
transmitters and receivers in the plan."""

UNKNOWN: dict[UnknownOf, Noise] = {
    "offsets": Noise(gain_offset_db=1.0, delay_offset_ns=1.0),
    "orientations": Noise(
        orientation_deg={"tx_yaw": 10.0, "tx_pitch": 5.0, "rx_yaw": 10.0}, tx_power_db=1.0,
        delay_offset_ns=1.0,
    ),
    "positions": Noise(position_m=dict.fromkeys(("tx_x", "tx_y", "rx_x", "rx_y"), 0.03)),
}  # fmt: skip
"""Prior standard deviations of what is unknown, as far as the observable has delays."""

SECTOR = Antenna.in_degrees(pattern="tr38901", yaw=20.0)
"""Antenna of every device whose orientation is unknown."""


@dataclass(frozen=True, eq=False)
class ObservableCoverage:
    """Draws of one measurement.

    :param words: its observables, see :func:`~vlmrt_dist.campaign.parse_observables`
    :param scene: what is measured
    :param positions: where
    :param radio: radio configuration
    :param draws: how many truths
    :param unknown: what of links and devices is unknown
    """

    words: str
    scene: SceneModel
    positions: Campaign
    radio: RadioConfig
    draws: int
    unknown: UnknownOf = "offsets"

    def __str__(self) -> str:
        return f"{self.name}: {self.draws} truths"

    @property
    def name(self) -> str:
        """What is measured, and what of devices is unknown."""
        return self.words if self.unknown == "offsets" else f"{self.words}; {self.unknown}"

    @property
    def key(self) -> str:
        """Content hash of what is counted."""
        parts = [
            self.name, self.scene.key, self.positions.key, self.radio.key, self.draws,
            SIGMA_WIDTH, PERMITTIVITY_WIDTH, engine_versions(), SCHEMA_VERSION,
        ]  # fmt: skip
        return content_key(parts)

    def tallies(self) -> dict[str, Tally]:
        """Answers by quantity."""
        power, plans = parse_observables(self.words)
        places = self.positions
        if self.unknown == "orientations":
            places = places.with_antennas(SECTOR, SECTOR)
        template = simulate(
            self.scene, places, radio=self.radio, noise_db=1.0, observables=plans,
            power=power,
        )  # fmt: skip
        delays = any(getattr(b, "start_ns", None) is not None for b in template.observables)
        delays |= any(b.name == "mean delay" for b in template.observables)
        errors = UNKNOWN[self.unknown]
        assumed = Assumptions(
            self.radio,
            Prior(width=SIGMA_WIDTH),
            Parameters(
                ("conductivity", "relative_permittivity"),
                widths={"relative_permittivity": PERMITTIVITY_WIDTH},
            ),
            replace(errors, delay_offset_ns=errors.delay_offset_ns if delays else None),
        )
        answers: dict[str, int] = {}
        missed: dict[str, int] = {}
        with open_problem(self.scene, template, assumed) as problem:
            for seed in range(self.draws):
                rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
                for quantity, miss in zip(*_answers(self, problem, assumed, rng), strict=True):
                    answers[quantity] = answers.get(quantity, 0) + 1
                    missed[quantity] = missed.get(quantity, 0) + int(miss)
        return {q: Tally(answers[q], missed[q]) for q in answers}

    def measure(self, study: str) -> Timing:
        """The tallies as a row of the ledger; its label holds them."""
        begin = time.perf_counter()
        tallies = self.tallies()
        label = {"words": self.name, "tallies": tallies}
        return nothing_timed(
            study, self.key, json.dumps(label, sort_keys=True), "replay", self.radio,
            num_objects=self.scene.num_objects, num_setups=self.positions.num_setups,
            num_links=self.positions.num_links, num_paths=0,
            seconds_fit=(time.perf_counter() - begin) / self.draws, iterations=self.draws,
            outcome="converged",
        )  # fmt: skip


def _answers(
    task: ObservableCoverage, problem: Problem, assumed: Assumptions, rng: np.random.Generator
) -> tuple[Sequence[str], Sequence[bool]]:
    """Quantity of each unknown that the values tell, and whether its interval misses a draw."""
    unknowns, data = problem.unknowns, problem.data
    truth = unknowns.mean + unknowns.width * rng.standard_normal(len(unknowns.mean))
    value, _ = problem.predict(truth)
    value = value + data.noise_db * rng.standard_normal(len(value))
    measured = _measured(problem.campaign, value)
    if any(getattr(block, "phase", "") == "unknown" for block in measured.observables):
        # Phase and timing follow the data, so the model is another one.
        with open_problem(task.scene, measured, assumed) as own:
            return _missed(own, truth)
    censored = np.concatenate(
        [measured.censored.ravel(), *(block.censored for block in measured.observables)]
    )
    level = np.concatenate(
        [value[: problem.num_levels], *(block.measured for block in measured.observables)]
    )
    level = np.where(data.used, level, data.level_dbm)
    return _missed(replace(problem, data=replace(data, level_dbm=level, censored=censored)), truth)


def _measured(campaign: Campaign, value: FloatArray) -> Campaign:
    """The campaign with other values [L + R]; bins are below the floor of their noise at times."""
    start, blocks = campaign.present.size, []
    for block in campaign.observables:
        own = value[start : start + len(block.row_setup)]
        start += len(own)
        block = block.with_measured(own, block.noise)
        if isinstance(block, DelayPower):
            below = own < block.floor_dbm
            power = np.where(below, block.floor_dbm, own)
            block = replace(block, power_dbm=power, below=below)
        blocks.append(block)
    level = value[: campaign.present.size].reshape(campaign.present.shape)
    rss = None if campaign.rss_dbm is None else np.where(campaign.present, level, np.nan)
    return replace(campaign, rss_dbm=rss, observables=tuple(blocks))


def _missed(problem: Problem, truth: FloatArray) -> tuple[Sequence[str], Sequence[bool]]:
    data = problem.data
    starts = np.array([data.prior, truth])
    run = levenberg_marquardt(problem.predict, data, starts)
    fit = appraise(problem.predict, data, run.x)
    seen = fit.knowledge.seen
    away = np.abs(fit.x - truth) / fit.knowledge.std
    quantities = [q for q, there in zip(problem.unknowns.quantity, seen, strict=True) if there]
    return quantities, (away[seen] > 1.959964).tolist()


def observable_tallies(timings: Sequence[Timing]) -> dict[str, dict[str, Tally]]:
    """Tallies of each measurement, by quantity."""
    found = {}
    for timing in timings:
        label = json.loads(timing.label)
        found[label["words"]] = {q: Tally(*tally) for q, tally in label["tallies"].items()}
    return found
