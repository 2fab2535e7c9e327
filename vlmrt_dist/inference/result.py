"""The answer of an estimation: conductivities, their intervals, and how far to believe them."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import CampaignLike
from vlmrt_dist.console import MOST_NAMES, MOST_ROWS, first_rows, listed, tallied
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.html_tables import html_table
from vlmrt_dist.inference.calibration import Calibration
from vlmrt_dist.inference.origin import Origin
from vlmrt_dist.inference.outcome import Outcome
from vlmrt_dist.inference.parameters import Tie
from vlmrt_dist.inference.posterior import MIN_NOISE_DB, NORMAL_95
from vlmrt_dist.inference.quantities import (
    Alternative,
    Clutter,
    ExcessLoss,
    Gains,
    JointPosterior,
    LayerEstimates,
    LinkLevels,
    QuantityEstimate,
)
from vlmrt_dist.inference.relative_error import mean_relative_error
from vlmrt_dist.inference.verdicts import Part, Verdict
from vlmrt_dist.inference.wording import VERDICT_WORDS, cells, differing, verdict_sentences
from vlmrt_dist.scene import LiveChange, SceneModel, SionnaScene
from vlmrt_dist.viewing import Page, open_view

MAX_PAIRS = 10
"""Most pairs of inseparable unknowns that are named."""

MAX_SOLUTIONS = 4
"""Most solutions that the table shows."""

MAX_DIFFERING = 30
"""Most values of the solutions that their table shows."""

SOLUTIONS = "Solutions that explain the levels within the noise, and what they differ in"

MOST_FACTOR = 1e4
"""A prior that allows more either way stands for none."""

MISFIT = 30.0
"""Residuals so many times the declared noise mean a wrong model, not a bad day."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """Conductivities of K objects.

    :param names: [K]
    :param materials: [K] material classes
    :param frequency: reference carrier, at which conductivities and permittivities are given [Hz]
    :param conductivity: [K] posterior median (Adam, which knows no prior: where it ended); the
        prior's where not identified; see
        :class:`~vlmrt_dist.inference.quantities.QuantityEstimate`, as for all that follow [S/m]
    :param low: [K] lower end of the 95 % interval, of several the lowest [S/m]
    :param high: [K] upper end of the 95 % interval, of several the highest [S/m]
    :param prior: [K] prior median [S/m]
    :param prior_low: [K] lower end of the prior's 95 % interval [S/m]
    :param prior_high: [K] upper end of the prior's 95 % interval [S/m]
    :param verdict: [K]
    :param contradicts_prior: [K] the levels contradict the prior of this object, which was widened
    :param parts: [K] the intervals of an object that has several, or an open one; else none
    :param solutions: where several solutions explain the levels about equally well: all of them,
        the heaviest first; else none
    :param fitted: [K] where the optimizer ended, whatever the verdict [S/m]
    :param covariance: [K, K] posterior covariance of ln σ, other unknowns averaged out; 0 where
        fixed (the interval is the prior's where not identified)
    :param joint: posterior of all unknowns together; None: not known
    :param others: the other quantities that were unknown, by name: "relative_permittivity",
        "thickness", "exponent", "penetration_loss"
    :param layers: the layers of objects that have any, where they could be unknown; None: there are
        none. Of such an object the conductivity here is that of the slab that stands for them, and
        fixed
    :param gains: offsets of the levels, if they were unknown
    :param ties: objects that share an unknown
    :param clutter: scatter of the levels that grows with the paths' length; None: there was none.
        ``links.noise_db`` contains it, and so do all intervals
    :param excess_loss: mean loss a metre beyond the model's, if it was unknown
    :param entangled: pairs of unknowns that the links only tell together
    :param num_unknowns: unknowns in all; objects of a group share theirs
    :param determined: how many of them the links determined, one left half to the prior counting
        as half
    :param search: how the search for the best minimum ended, as a sentence
    :param outcome: how the optimizer ended
    :param iterations: iterations of Adam, evaluations of Levenberg-Marquardt
    :param losses: [I] loss (8) along Adam's iterations (empty for Levenberg-Marquardt)
    :param engine: "replay" or "retrace"
    :param optimizer: its name
    :param loss: how large residuals counted
    :param protocol: "measured"; or, for simulated levels, "exact" if truth and estimate both have
        every path, "same_paths" if they share a sampled path set, and "independent" if their paths
        come from different solvers or solves
    :param combining: how the paths' contributions were added
    :param noise_db: noise that was declared, median over the links [dB]
    :param noise_scale: factor by which the residuals exceed that (1: they do not; NaN: too few
        links to say); the intervals contain it
    :param residual_db: root mean square residual of the links used [dB]
    :param held_out_db: root mean square error of links left out of a least-squares fit [dB] (NaN:
        not done)
    :param num_links: links measured
    :param num_unheard: links that no traced path reaches, which the fit could not use
    :param num_censored: links used of which only is known that they lie below a receiver's floor
    :param num_saturated: links used of which only is known that they lie above its ceiling
    :param num_paths: paths traced (0 for retrace)
    :param complete_to: depth to which the path sets hold every path; -1: the paths were sampled
    :param num_fragile: paths within 0.1 mm of an edge, which stand on the accuracy of the scene
    :param max_depth: depth that was asked for
    :param seconds: wall time by phase: trace, compile, fit, uncertainty [s]
    :param links: level by level, what was measured and what the estimate says
    :param scene: what it was estimated for, with its own materials
    :param origin: scene, radio and measurement that it was made from
    """

    names: tuple[str, ...]
    materials: tuple[str, ...]
    conductivity: FloatArray
    low: FloatArray
    high: FloatArray
    prior: FloatArray
    prior_low: FloatArray
    prior_high: FloatArray
    verdict: tuple[Verdict, ...]
    contradicts_prior: tuple[bool, ...]
    fitted: FloatArray
    outcome: Outcome
    iterations: int
    losses: FloatArray
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
    complete_to: int
    num_fragile: int
    max_depth: int
    seconds: dict[str, float]
    links: LinkLevels
    frequency: float = 3.5e9
    covariance: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    joint: JointPosterior | None = None
    others: dict[str, QuantityEstimate] = field(default_factory=dict)
    gains: Gains | None = None
    ties: tuple[Tie, ...] = ()
    clutter: Clutter | None = None
    excess_loss: ExcessLoss | None = None
    entangled: tuple[tuple[str, str], ...] = ()
    num_unknowns: int = 0
    determined: float = 0.0
    search: str = ""
    loss: str = "squared"
    num_censored: int = 0
    parts: tuple[tuple[Part, ...], ...] = ()
    solutions: tuple[Alternative, ...] = ()
    num_saturated: int = 0
    layers: LayerEstimates | None = None
    scene: SceneModel | None = field(default=None, repr=False)
    origin: Origin | None = field(default=None, repr=False)

    @property
    def std(self) -> FloatArray:
        """[K] standard deviation of ln σ of a normal posterior with an interval as wide; 0 where
        fixed."""
        there = self.low > 0.0
        ratio = np.divide(self.high, self.low, out=np.ones(len(there)), where=there)
        return np.log(ratio) / (2.0 * NORMAL_95)

    def relative_error(self, truth: FloatArray) -> float:
        """The paper's mean relative error (17) of ``fitted``.

        :param truth: [K] true conductivities [S/m]
        :raises ConfigurationError: if there are not as many as objects
        """
        if np.shape(truth) != self.fitted.shape:
            raise ConfigurationError(f"truth must be {len(self.names)} conductivities [S/m]")
        return mean_relative_error(self.fitted, truth)

    @property
    def calibrated_scene(self) -> SceneModel:
        """The scene with the estimated numbers.

        :raises ConfigurationError: if this estimate was made without its scene
        """
        return self.calibration.on(self._own_scene())

    def apply(self, scene: SionnaScene) -> LiveChange:
        """Set the estimated numbers on a live ``sionna.rt.Scene``, all or none.

        Objects are matched by name; an object in a shape that Sionna has merged by its name or its
        place. Each object whose numbers change gets a ``RadioMaterial`` of its own, or one that it
        shares with objects of equal numbers, with the scattering of its old material. The numbers
        are constants for :attr:`frequency`; permittivity and thickness are those that the
        estimation took for known or found. An object that is not identified has its prior's.

        :return: which objects were changed, and which had the numbers already
        :raises SceneError: if the scene has other objects (the message names them)
        :raises MaterialError: if a material is none of Sionna's own types
        """
        return self.calibration.apply(scene, self.scene)

    def write_scene(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the scene with the estimated numbers to ``scene.xml`` and meshes.

        Plain ``sionna.rt.load_scene`` opens it with exactly these numbers. A comment in the file
        says at which carrier they were estimated, and which are the prior's.

        :param overwrite: write into a folder that is not empty
        :return: path of the XML file
        :raises ConfigurationError: if this estimate was made without its scene
        :raises StorageError: if the folder cannot be written to, or is not empty
        """
        return self.calibration.write(self._own_scene(), folder, overwrite=overwrite)

    def _own_scene(self) -> SceneModel:
        if self.scene is None:
            raise ConfigurationError(
                "this estimate was made without its scene; use estimate.calibration with one"
            )
        return self.scene

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = 112, *, wrap: bool = False) -> str:
        """Tables and remarks as plain text.

        :param width: of the tables [characters]
        :param wrap: break the remarks into lines of that width; else each is one line
        """
        from rich.console import Console

        text = io.StringIO()
        # Text wherever it is printed: a notebook would get tables of its own, and codes for bold.
        console = Console(
            file=text, width=width, no_color=True, highlight=False, force_jupyter=False,
            force_terminal=False,
        )  # fmt: skip
        for table in self.tables():
            console.print(table)
        for line in self.remarks():
            console.print(line, soft_wrap=not wrap, markup=False)
        return text.getvalue().rstrip()

    @property
    def calibration(self) -> Calibration:
        """The values of the objects: the conductivity and what else was unknown."""
        main = QuantityEstimate(
            "S/m", self.conductivity, self.std, self.low, self.high, self.prior, self.prior_low,
            self.prior_high, self.verdict, self.contradicts_prior, self.parts,
        )  # fmt: skip
        asked = {"conductivity": main, **self.others}
        return Calibration(
            self.names,
            self.materials,
            self.frequency,
            asked,
            self.joint,
            self.origin,
            self.layers,
        )

    def _repr_html_(self) -> str:
        """The tables and remarks of :meth:`__str__`, for notebooks."""
        quantities = self.calibration.quantities
        parts = []
        for name, quantity in quantities.items():
            unit = f" [{quantity.unit}]" if quantity.unit else ""
            rows = []
            for k, item in enumerate(self.names):
                rows.append((item, *self._row(quantity, k)))
            head = ("object", "material", f"prior{unit}", f"estimate{unit}",
                    f"95 % interval{unit}", "verdict")  # fmt: skip
            last = name == list(quantities)[-1] and not self.solutions
            caption = f"{name.replace('_', ' ').capitalize()} of {len(self.names)} objects"
            if self.layers is not None and name in self.layers.quantities:
                rows += self._layer_rows(name)
            parts.append(html_table(caption, head, rows, self._notes() if last else []))
        if self.solutions:
            parts.append(html_table(SOLUTIONS, *self._solution_rows(), self._notes()))
        return "".join(parts)

    def _notes(self) -> list[str]:
        return [*self.remarks(), "In 3D: estimate.view(campaign)"]

    def _solution_rows(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Heading and rows of the table of solutions."""
        offsets = () if self.gains is None else self.gains.names
        quantities = self.calibration.quantities
        differ = differing(self.names, self.solutions, quantities, offsets, self.layers)
        shown = self.solutions[:MAX_SOLUTIONS]
        head = ("", *(f"solution {number}" for number in range(1, len(shown) + 1)))
        rows = [
            ("probability", *(f"{each.weight:.0%}" for each in shown)),
            ("residual [dB]", *(f"{each.residual_db:.3g}" for each in shown)),
        ]
        rows += [(title, *texts[: len(shown)]) for title, texts in differ[:MAX_DIFFERING]]
        return head, rows

    def _other_solutions(self) -> list[str]:
        """A line on the solutions that the table leaves out."""
        rest = self.solutions[MAX_SOLUTIONS:]
        if not rest:
            return []
        share = sum(each.weight for each in rest)
        return [
            f"{len(rest)} further solutions hold {share:.0%} of the probability together; all of "
            "them are in --json (estimate.solutions)"
        ]

    def view(self, campaign: CampaignLike | None = None, **options: Any) -> Page:
        """The estimate as an interactive 3D page, which a notebook shows; ``.write("scene.html")``
        makes a file of it.

        :param campaign: its measurement; None: objects only
        :param options: ``radio``, ``paths`` and ``progress`` of :func:`vlmrt_dist.view`
        :raises ConfigurationError: if this estimate was made without its scene
        """
        return open_view(self._own_scene(), campaign, self, **options)

    def tables(self) -> list[Any]:
        """Rich tables: object, material, prior, estimate, interval and verdict for each quantity
        that was unknown, and the setups' offsets if they were."""
        asked = dict(self.calibration.quantities)
        if (self.others or self.layers) and set(self.verdict) == {"fixed"}:
            del asked["conductivity"]
        tables = [self._table(name, quantity) for name, quantity in asked.items()]
        if self.layers is not None:
            tables += [self._layer_table(name) for name in self.layers.quantities]
        if self.gains is not None:
            tables.append(_gain_table(self.gains))
        if self.solutions:
            tables.append(_plain_table(SOLUTIONS, *self._solution_rows()))
        return tables

    def _table(self, name: str, quantity: QuantityEstimate) -> Any:
        from rich.markup import escape

        table = self._empty_table(name, quantity, "object", len(self.names))
        spread = _spread(name, quantity)
        shown = first_rows([
            math.inf if verdict in ("fixed", "not_identified") else spread[k]
            for k, verdict in enumerate(quantity.verdict)
        ])  # fmt: skip
        for k in shown:
            # Names come from files.
            table.add_row(*map(escape, (self.names[k], *self._row(quantity, k))))
        if len(shown) < len(self.names):
            rest = [VERDICT_WORDS[v] for k, v in enumerate(quantity.verdict) if k not in set(shown)]
            table.caption = (
                f"the {len(shown)} best known objects; {len(rest)} more: {tallied(rest)}. All of "
                "them are in --out FILE and --json (estimate.to_dict())"
            )
            table.caption_justify = "left"
        return table

    def _empty_table(self, name: str, quantity: QuantityEstimate, what: str, count: int) -> Any:
        from rich.markup import escape
        from rich.table import Table

        words = name.replace("_", " ").capitalize()
        where = f" at {self.frequency / 1e9:g} GHz" if name != "thickness" else ""
        unit = escape(f" [{quantity.unit}]") if quantity.unit else ""
        many = "s" * (count != 1)
        table = Table(title=f"{words} of {count} {what}{many}{where}", title_justify="left")
        table.add_column(what)
        table.add_column("material")
        table.add_column(f"prior{unit}", justify="right")
        table.add_column(f"estimate{unit}", justify="right")
        table.add_column(f"95 % interval{unit}", justify="right")
        table.add_column("verdict")
        return table

    def _layer_table(self, name: str) -> Any:
        from rich.markup import escape

        assert self.layers is not None
        quantity = self.layers.quantities[name]
        table = self._empty_table(name, quantity, "layer", len(self.layers.names))
        rows = self._layer_rows(name)
        for row in rows[:MOST_ROWS]:
            table.add_row(*map(escape, row))
        if len(rows) > MOST_ROWS:
            table.caption = f"{len(rows) - MOST_ROWS} more are in --out FILE and --json"
            table.caption_justify = "left"
        return table

    def _layer_rows(self, name: str) -> list[tuple[str, ...]]:
        """Name, material, prior, estimate, interval and verdict of each layer."""
        assert self.layers is not None
        quantity = self.layers.quantities[name]
        pairs = zip(self.layers.names, self.layers.materials, strict=True)
        return [(*pair, *cells(quantity, k)) for k, pair in enumerate(pairs)]

    def _row(self, quantity: QuantityEstimate, k: int) -> tuple[str, ...]:
        """Material, prior, estimate, interval and verdict of an object; of one with layers the
        numbers of the slab that stands for them are not shown."""
        layered = None if self.scene is None else self.scene.objects[k].layered
        if layered is None:
            return self.materials[k], *cells(quantity, k)
        material = str(layered)
        if quantity.verdict[k] == "fixed":
            return material, "", "", "", "fixed"
        return material, *cells(quantity, k)

    def remarks(self) -> list[str]:
        """Remarks that belong beside the table, one sentence a line."""
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
        if self.outcome != "converged":
            lines.append(
                "the optimizer has not converged; the intervals say what the links tell, not how "
                "far it was from the end"
            )
        lines += self._prior_widths() + self._doubts() + self._ambiguities()
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
        lines += self._clutter_remarks()
        if self.ties:
            some = [str(tie) for tie in self.ties[:MOST_NAMES]]
            more = len(self.ties) - len(some)
            lines.append("tied: " + "; ".join(some) + (f"; and {more} more" if more else ""))
        lines += self._bounds()
        if 0 <= self.complete_to < self.max_depth:
            lines.append(
                f"the path search passed its budget: of the paths with more than "
                f"{self.complete_to} interactions some may be missing; lower max_depth or "
                "max_reflections"
            )
        if self.num_fragile:
            passes = "path passes" if self.num_fragile == 1 else "paths pass"
            lines.append(
                f"{self.num_fragile} of {self.num_paths} {passes} within 0.1 mm of an edge; "
                "which of them exist depends on the accuracy of the scene"
            )
        lines += self._other_solutions()
        said = verdict_sentences(self.names, self.calibration.quantities)
        if self.layers is not None:
            said += verdict_sentences(self.layers.names, self.layers.quantities)
        # What both say is said once, at the end.
        return lines + list(dict.fromkeys(reversed(said)))[::-1]

    def _prior_widths(self) -> list[str]:
        """Factors that the priors on the conductivities allow either way at 95 %, by material."""
        factors: dict[str, float] = {}
        for k, verdict in enumerate(self.verdict):
            if verdict != "fixed" and self.prior[k] > 0.0:
                factor = float(self.prior_high[k] / self.prior[k])
                factors[self.materials[k]] = max(factor, factors.get(self.materials[k], 0.0))
        if self.optimizer != "levenberg_marquardt" or not factors:
            return []
        if max(factors.values()) > MOST_FACTOR:
            return []
        frequency = f"{self.frequency / 1e9:g}e9"
        words = [f"{material} × {factor:.2g}" for material, factor in factors.items()]
        return [
            f"priors either way at 95 %: {listed(words)} (vlmrt materials --frequency "
            f"{frequency} lists published measurements)"
        ]

    def _doubts(self) -> list[str]:
        """Contradictions of the priors, those of one class in one sentence."""
        lines = []
        for material in dict.fromkeys(self.materials):
            some = [
                name for name, of, wrong
                in zip(self.names, self.materials, self.contradicts_prior, strict=True)
                if wrong and of == material
            ]  # fmt: skip
            if some:
                one = len(some) == 1
                rests = "Its interval rests" if one else "Their intervals rest"
                lines.append(
                    f"the levels contradict the prior of {listed(some)} ({material}); check "
                    f"{'its' if one else 'their'} material. {rests} on a wider prior"
                )
        layers = {} if self.layers is None else self.layers.quantities
        names = () if self.layers is None else self.layers.names
        lines += [_contradicted(n, self.names, q) for n, q in self.others.items()]
        lines += [_contradicted(n, names, q, of="layer ") for n, q in layers.items()]
        return [line for line in lines if line]

    def _clutter_remarks(self) -> list[str]:
        """What was found of the scatter and the loss along the paths."""
        lines = []
        if self.clutter is not None and self.clutter.fitted:
            lines.append(
                f"clutter, what the scene lacks: the levels scatter by {self.clutter.value:.2g} dB "
                f"times the root of the path's length in metres (95 %: {self.clutter.low:.2g} to "
                f"{self.clutter.high:.2g}) beside their declared noise; all intervals contain that"
            )
        if self.excess_loss is not None:
            value, low, high, _, _ = self.excess_loss
            if low > 0.0:
                why = "levels lose more than in the model, as among furniture"
            elif high < 0.0:
                why = (
                    "levels lose less than in the model, which lacks deeper or diffuse paths; do "
                    "not trust it beyond the lengths that were measured"
                )
            else:
                why = "none is as likely, and the intervals contain that"
            ends = f"95 %: {low:.2g} to {high:.2g}"
            lines.append(f"excess loss: {value:.2g} dB a metre of path ({ends}): {why}")
        return lines

    def _bounds(self) -> list[str]:
        """Links whose levels are bounds, and those that were not used."""
        lines = []
        if self.num_censored:
            lines.append(
                f"{self.num_censored} links lie below their receiver's floor, and count as that"
            )
        if self.num_saturated:
            lines.append(
                f"{self.num_saturated} links saturate their receiver, and count as levels at or "
                "above the one reported"
            )
        if self.num_unheard:
            lines.append(
                f"{self.num_unheard} of {self.num_links} measured links have no traced path and "
                "were not used"
            )
        return lines

    def _ambiguities(self) -> list[str]:
        """Unknowns that the links cannot separate, by name."""
        lines = []
        unsure = [
            name
            for name, verdict in zip(self.names, self.verdict, strict=True)
            if verdict not in ("estimated", "fixed")
        ]
        if self.layers is not None:
            for quantity in self.layers.quantities.values():
                for name, verdict in zip(self.layers.names, quantity.verdict, strict=True):
                    if verdict not in ("estimated", "fixed") and name not in unsure:
                        unsure.append(name)
        heard = self.num_links - self.num_unheard
        if heard < self.num_unknowns:
            lines.append(
                f"under-determined: {heard} links cannot tell {self.num_unknowns} unknowns, and "
                f"determine {self.determined:.1f}; the prior decides in part about "
                + (listed(unsure) or "the others")
            )
        elif self.determined < self.num_unknowns - 0.5 and unsure:
            lines.append(
                f"the links determine {self.determined:.1f} of {self.num_unknowns} unknowns; the "
                f"prior decides in part about {listed(unsure)}"
            )
        if self.entangled:
            pairs = [f"{one} and {other}" for one, other in self.entangled[:MAX_PAIRS]]
            more = len(self.entangled) - len(pairs)
            lines.append(
                "only their combination is determined: "
                + "; ".join(pairs)
                + (f"; and {more} more pairs" if more else "")
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``vlmrt estimate --json`` prints them (no NaN: null instead)."""
        return {
            "objects": self._object_rows(),
            "frequency": self.frequency,
            "others": _other_rows(self.names, self.others),
            "layers": (
                None
                if self.layers is None
                else _other_rows(self.layers.names, self.layers.quantities)
            ),
            "gains_db": self._gain_rows(),
            "clutter": None if self.clutter is None else self.clutter._asdict(),
            "excess_loss": None if self.excess_loss is None else self.excess_loss._asdict(),
            "ties": [tie._asdict() for tie in self.ties],
            "entangled": [list(pair) for pair in self.entangled],
            "num_unknowns": self.num_unknowns,
            "determined": self.determined,
            "search": self.search,
            "solutions": self._solution_list(),
            "loss": self.loss,
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
            "num_censored": self.num_censored,
            "num_saturated": self.num_saturated,
            "num_paths": self.num_paths,
            "max_depth": self.max_depth,
            "complete_to": self.complete_to,
            "num_fragile": self.num_fragile,
            "seconds": sum(self.seconds.values()),
            "seconds_by_phase": dict(self.seconds),
            "units": {"conductivity": "S/m", "residual_db": "dB", "seconds": "s"},
        }

    def _object_rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "material": self.materials[k],
                "conductivity": float(self.conductivity[k]),
                "std": float(self.std[k]),
                "low": float(self.low[k]),
                "high": float(self.high[k]),
                "prior": float(self.prior[k]),
                "prior_low": float(self.prior_low[k]),
                "prior_high": float(self.prior_high[k]),
                "verdict": self.verdict[k],
                "contradicts_prior": self.contradicts_prior[k],
                "parts": part_list(self.parts, k),
            }
            for k, name in enumerate(self.names)
        ]

    def _solution_list(self) -> list[dict[str, Any]]:
        return [
            {
                "weight": each.weight,
                "residual_db": _finite(each.residual_db),
                "cost": _finite(each.cost),
                "values": {
                    name: [_finite(value) for value in values.tolist()]
                    for name, values in each.values.items()
                },
            }
            for each in self.solutions
        ]

    def _gain_rows(self) -> list[dict[str, Any]] | None:
        if self.gains is None:
            return None
        return [
            {
                "name": name,
                "setups": (np.flatnonzero((self.gains.of_link == g).any(axis=1)) + 1).tolist(),
                "value": float(self.gains.value[g]),
                "std": float(self.gains.std[g]),
                "verdict": self.gains.verdict[g],
            }
            for g, name in enumerate(self.gains.names)
        ]


def _gain_table(gains: Gains) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Offsets of the levels", title_justify="left")
    table.add_column("shared by all links of")
    for name in ("offset [dB]", "standard deviation [dB]"):
        table.add_column(escape(name), justify="right")
    table.add_column("verdict")
    every = zip(gains.names, gains.value, gains.std, gains.verdict, strict=True)
    for name, value, std, verdict in list(every)[:MOST_ROWS]:
        table.add_row(escape(name), f"{value:.3f}", f"{std:.3f}", VERDICT_WORDS[verdict])
    if len(gains.names) > MOST_ROWS:
        rest = [VERDICT_WORDS[verdict] for verdict in gains.verdict[MOST_ROWS:]]
        table.caption = f"{len(rest)} more: {tallied(rest)}; all of them with --json"
        table.caption_justify = "left"
    return table


def _plain_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    """A table whose first column names the rows, and whose others are numbers."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for place, name in enumerate(head):
        table.add_column(escape(name), justify="right" if place else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _other_rows(
    names: tuple[str, ...], quantities: dict[str, QuantityEstimate]
) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [
            {
                "name": item,
                "value": _finite(quantity.value[k]),
                "low": _finite(quantity.low[k]),
                "high": _finite(quantity.high[k]),
                "prior": _finite(quantity.prior[k]),
                "verdict": quantity.verdict[k],
                "parts": part_list(quantity.parts, k),
            }
            for k, item in enumerate(names)
        ]
        for name, quantity in quantities.items()
    }


def _spread(name: str, quantity: QuantityEstimate) -> FloatArray:
    """Width of each interval, by which the best known objects are found."""
    if name == "penetration_loss":
        return quantity.high - quantity.low
    with np.errstate(divide="ignore", invalid="ignore"):
        return quantity.high / quantity.low


def _db(value: float) -> str:
    return f"{value:.2g} dB"


def _contradicted(
    name: str, names: tuple[str, ...], quantity: QuantityEstimate, of: str = ""
) -> str:
    """Whose prior of one quantity the levels contradict; empty if nobody's."""
    some = [names[k] for k in np.flatnonzero(quantity.contradicts_prior)]
    if not some:
        return ""
    rests = "its interval rests" if len(some) == 1 else "their intervals rest"
    return (
        f"the levels contradict the prior of the {name.replace('_', ' ')} of {of}{listed(some)}; "
        f"{rests} on a wider prior"
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def part_list(parts: tuple[tuple[Part, ...], ...], k: int) -> list[dict[str, Any]]:
    """The intervals of an object that has several or an open one, with null for an open end."""
    return [
        {
            "low": None if part.open_low else part.low,
            "high": None if part.open_high else part.high,
            "value": part.value,
            "weight": part.weight,
        }
        for part in (parts[k] if parts else ())
    ]
