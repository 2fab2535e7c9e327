"""The answer of an estimation: conductivities, their intervals, and how far to believe them."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.optimizers import Outcome
from vlmrt_dist.path_table import COMPLETE_TOLERANCE
from vlmrt_dist.posterior import MIN_NOISE_DB, Verdict

MEANING: dict[str, str] = {
    "estimated": "the measurement determines it",
    "weak": "the measurement narrows the prior, not much",
    "unidentifiable": "no link tells; the prior is shown",
    "saturated": "at the end of the range that was searched",
    "fixed": "given, not estimated",
}
"""What each verdict says."""


MISFIT = 30.0
"""Residuals so many times the declared noise mean a wrong model, not a bad day."""


@dataclass(frozen=True, eq=False)
class LinkLevels:
    """What was measured on each link of M setups with N receivers, and what the estimate says.

    :param measured_dbm: [M, N] measured levels, the receiver's floor where censored [dBm]
    :param noise_db: [M, N] standard deviation that was declared for each [dB]
    :param censored: [M, N] where the level is only known to lie at or below the one measured
    :param replayed_dbm: [M, N] levels at the estimate [dBm]; NaN where no receiver is or no path
        arrives
    :param held_out_dbm: [M, N] each link's level as a fit to other links predicts it [dBm]; NaN
        where that was not done
    """

    measured_dbm: NDArray[np.float64]
    noise_db: NDArray[np.float64]
    censored: NDArray[np.bool_]
    replayed_dbm: NDArray[np.float64]
    held_out_dbm: NDArray[np.float64]

    @property
    def residual_db(self) -> NDArray[np.float64]:
        """[M, N] measured minus replayed; zero where both lie below a receiver's floor."""
        return self._beside(self.replayed_dbm)

    @property
    def held_out_residual_db(self) -> NDArray[np.float64]:
        """[M, N] the same for levels predicted by fits that have not seen the link."""
        return self._beside(self.held_out_dbm)

    @property
    def standardised(self) -> NDArray[np.float64]:
        """[M, N] residuals in units of the declared noise."""
        return self.residual_db / self.noise_db

    def _beside(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        residual = self.measured_dbm - level
        return np.where(self.censored, np.minimum(residual, 0.0), residual)


@dataclass(frozen=True, eq=False)
class Estimate:
    """Conductivities of K objects.

    :param names: [K]
    :param materials: [K] material classes
    :param conductivity: [K] posterior median (Adam, which knows no prior: where it ended); the
        prior's where unidentifiable [S/m]
    :param low: [K] lower end of the 95 % interval [S/m]
    :param high: [K] upper end of the 95 % interval [S/m]
    :param prior: [K] prior median [S/m]
    :param prior_low: [K] lower end of the prior's 95 % interval [S/m]
    :param prior_high: [K] upper end of the prior's 95 % interval [S/m]
    :param verdict: [K]
    :param contradicts_prior: [K] the levels contradict the prior of this object, which was widened
    :param fitted: [K] where the optimizer ended, whatever the verdict [S/m]
    :param outcome: how the optimizer ended
    :param iterations: iterations of Adam, evaluations of Levenberg-Marquardt
    :param losses: [I] loss (8) along Adam's iterations (empty for Levenberg-Marquardt)
    :param engine: "replay" or "retrace"
    :param optimizer: its name
    :param protocol: "measured"; or, for simulated levels, "same_paths" if they come from the very
        path set of the estimation and "independent" if not
    :param combining: how the paths' contributions were added
    :param noise_db: noise that was declared, median over the links [dB]
    :param noise_scale: factor by which the residuals exceed that (1: they do not; NaN: too few
        links to say); the intervals contain it
    :param residual_db: root mean square residual of the links used [dB]
    :param held_out_db: root mean square error of links left out of a least-squares fit [dB] (NaN:
        not done)
    :param num_links: links measured
    :param num_unheard: links that no traced path reaches, which the fit could not use
    :param num_paths: paths traced (0 for retrace)
    :param incomplete: largest share of a link's power that the last solve added (NaN: unknown)
    :param seconds: wall time by phase: trace, compile, fit, uncertainty [s]
    :param mre: mean relative error (17) of ``fitted`` where the truth is known, else NaN
    :param links: level by level, what was measured and what the estimate says
    """

    names: tuple[str, ...]
    materials: tuple[str, ...]
    conductivity: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    prior: NDArray[np.float64]
    prior_low: NDArray[np.float64]
    prior_high: NDArray[np.float64]
    verdict: tuple[Verdict, ...]
    contradicts_prior: tuple[bool, ...]
    fitted: NDArray[np.float64]
    outcome: Outcome
    iterations: int
    losses: NDArray[np.float64]
    engine: str
    optimizer: str
    protocol: str
    combining: str
    noise_db: float
    noise_scale: float
    residual_db: float
    held_out_db: float
    num_links: int
    num_unheard: int
    num_paths: int
    incomplete: float
    seconds: dict[str, float]
    mre: float
    links: LinkLevels

    def __str__(self) -> str:
        from rich.console import Console

        text = io.StringIO()
        console = Console(file=text, width=112, no_color=True, highlight=False)
        console.print(self.table())
        for line in self.remarks():
            console.print(line, soft_wrap=True)
        return text.getvalue().rstrip()

    def table(self) -> Any:
        """A rich table: object, material, prior, conductivity, interval, verdict."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=f"Conductivity of {len(self.names)} objects", title_justify="left")
        table.add_column("object")
        table.add_column("material")
        table.add_column("prior [S/m]", justify="right")
        table.add_column("estimate [S/m]", justify="right")
        table.add_column("95 % interval [S/m]", justify="right")
        table.add_column("verdict")
        for k, name in enumerate(self.names):
            table.add_row(
                escape(name),  # names come from files
                escape(self.materials[k]),
                _number(self.prior[k]),
                _number(self.conductivity[k]),
                ""
                if self.verdict[k] == "fixed"
                else f"{_number(self.low[k])} … {_number(self.high[k])}",
                self.verdict[k],
            )
        return table

    def remarks(self) -> list[str]:
        """What a reader has to know beside the table, one sentence a line."""
        total = sum(self.seconds.values())
        lines = [
            f"{self.outcome} after {self.iterations} "
            f"{'evaluations' if self.optimizer == 'levenberg_marquardt' else 'iterations'} "
            f"({self.optimizer}, {self.engine}, {self.combining} combining, {self.protocol}); "
            f"{total:.2f} s, of which tracing {self.seconds.get('trace', 0.0):.2f} s "
            f"and fitting {self.seconds.get('fit', 0.0):.3f} s",
            f"residual {_db(self.residual_db)} over {self.num_links - self.num_unheard} links"
            + ("" if math.isnan(self.held_out_db) else f"; held-out links {_db(self.held_out_db)}"),
        ]
        if not math.isnan(self.mre):
            lines.append(f"mean relative error {100.0 * self.mre:.3g} %")
        if self.outcome != "converged":
            lines.append(
                "the optimizer has not converged; the intervals say what the links tell, not how "
                "far it was from the end"
            )
        for k, doubtful in enumerate(self.contradicts_prior):
            if doubtful:
                lines.append(
                    f"the levels contradict the prior of {self.names[k]} ({self.materials[k]}); "
                    "check its material. Its interval rests on a wider prior"
                )
        if self.noise_db <= MIN_NOISE_DB:
            lines.append("no noise was declared, so the levels count as exact to 0.001 dB")
        if math.isnan(self.noise_scale):
            lines.append(
                "there are too few links to judge the noise; the intervals believe the declared one"
            )
        if self.noise_scale > 1.05:
            lines.append(
                f"the residuals are {self.noise_scale:.1f} times the declared noise; the intervals "
                "are widened by that"
            )
        if self.noise_scale > MISFIT:
            lines.append(
                "the model does not explain the levels; check frequency, transmit power, units "
                "(dBm, metres), the scene, and that the noise is declared"
            )
        if self.num_unheard:
            lines.append(
                f"{self.num_unheard} of {self.num_links} measured links have no traced path and "
                "were not used"
            )
        if self.incomplete > COMPLETE_TOLERANCE:
            lines.append(
                f"the path set is incomplete: the last solve still added {self.incomplete:.1e} of "
                "a link's power; raise samples_per_src"
            )
        for verdict in ("weak", "unidentifiable", "saturated"):
            count = self.verdict.count(verdict)
            if count:
                lines.append(f"{count} {verdict}: {MEANING[verdict]}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``vlmrt estimate --json`` prints them (no NaN: null instead)."""
        return {
            "objects": [
                {
                    "name": name,
                    "material": self.materials[k],
                    "conductivity": float(self.conductivity[k]),
                    "low": float(self.low[k]),
                    "high": float(self.high[k]),
                    "prior": float(self.prior[k]),
                    "prior_low": float(self.prior_low[k]),
                    "prior_high": float(self.prior_high[k]),
                    "verdict": self.verdict[k],
                    "contradicts_prior": self.contradicts_prior[k],
                }
                for k, name in enumerate(self.names)
            ],
            "outcome": self.outcome,
            "engine": self.engine,
            "optimizer": self.optimizer,
            "protocol": self.protocol,
            "combining": self.combining,
            "iterations": self.iterations,
            "residual_db": _finite(self.residual_db),
            "held_out_db": _finite(self.held_out_db),
            "noise_db": self.noise_db,
            "noise_scale": _finite(self.noise_scale),
            "num_links": self.num_links,
            "num_unheard": self.num_unheard,
            "num_paths": self.num_paths,
            "incomplete": _finite(self.incomplete),
            "mre": _finite(self.mre),
            "seconds": sum(self.seconds.values()),
            "seconds_by_phase": dict(self.seconds),
            "units": {"conductivity": "S/m", "residual_db": "dB", "seconds": "s"},
        }


def root_mean_square(values: NDArray[np.float64]) -> float:
    """Of those that are numbers; NaN if none is."""
    numbers = values[~np.isnan(values)]
    return float(np.sqrt((numbers**2).mean())) if len(numbers) else float("nan")


def _number(value: float) -> str:
    return f"{value:.4g}"


def _db(value: float) -> str:
    return f"{value:.2g} dB"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
