"""The answer of an estimation: conductivities, their intervals, and how far to believe them."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import CampaignLike
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference.estimate_values import EstimateValues
from vlmrt_dist.inference.quantities import QuantityEstimate
from vlmrt_dist.inference.relative_error import mean_relative_error
from vlmrt_dist.inference.remarks import remarks_of
from vlmrt_dist.inference.result_tables import html_tables, rich_tables
from vlmrt_dist.inference.verdicts import Part
from vlmrt_dist.scene import LiveChange, SceneModel, SionnaScene
from vlmrt_dist.viewing import Page, open_view


@dataclass(frozen=True, eq=False)
class Estimate(EstimateValues):
    """Conductivities of K objects, with intervals and verdicts.

    The fields are described at :class:`~vlmrt_dist.inference.estimate_values.EstimateValues`.
    """

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

    def tables(self) -> list[Any]:
        """Rich tables: object, material, prior, estimate, interval and verdict for each quantity
        that was unknown, the setups' offsets if they were, and the solutions where there are
        several."""
        return rich_tables(self)

    def remarks(self) -> list[str]:
        """Remarks that belong beside the tables, one sentence a line."""
        return remarks_of(self)

    def _repr_html_(self) -> str:
        """The tables and remarks of :meth:`__str__`, for notebooks."""
        return html_tables(self, [*self.remarks(), "In 3D: estimate.view(campaign)"])

    def view(self, campaign: CampaignLike | None = None, **options: Any) -> Page:
        """The estimate as an interactive 3D page, which a notebook shows; ``.write("scene.html")``
        makes a file of it.

        :param campaign: its measurement; None: objects only
        :param options: ``radio``, ``paths`` and ``progress`` of :func:`vlmrt_dist.view`
        :raises ConfigurationError: if this estimate was made without its scene
        """
        return open_view(self._own_scene(), campaign, self, **options)

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
            "delay_offsets_ns": self._delay_rows(),
            "observables": [
                {
                    "name": each.name,
                    "unit": each.unit,
                    "count": each.num_used,
                    "num_unused": each.num_unused,
                    "num_censored": each.num_censored,
                    "residual": _finite(each.residual),
                    "standardised": _finite(each.standardised),
                }
                for each in self.observables
            ],
            "clutter": None if self.clutter is None else self.clutter._asdict(),
            "excess_loss": None if self.excess_loss is None else self.excess_loss._asdict(),
            "devices": [each._asdict() for each in self.devices],
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
            "noise_db": _finite(self.noise_db),
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

    def _delay_rows(self) -> list[dict[str, Any]] | None:
        if self.delay_offsets is None:
            return None
        return [
            {"name": name, "value": float(value), "std": float(std), "verdict": verdict}
            for value, std, verdict, name in zip(*self.delay_offsets[:4], strict=True)
        ]


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
