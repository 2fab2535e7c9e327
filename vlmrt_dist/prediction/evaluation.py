"""Errors of several models at the links of a test campaign, and their tables."""

from __future__ import annotations

import io
import itertools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.html_tables import html_table
from vlmrt_dist.prediction.link_errors import QUANTILES, ModelErrors, distance_bins

HEAD = ("model", "mean", "RMS", *(f"{100 * q:g} % below" for q in QUANTILES), "in 95 % interval")
MOST_SETUPS = 20


Offset = Literal["none", "setup", "campaign"]
"""Offsets of the levels fitted to the test data: none, one for each setup, or one for all."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Errors of several models at L test links; the calibrated scene first.

    :param setup: [L] setup of each link, from 0
    :param receiver: [L] receiver within its setup, from 0
    :param distance: [L] length of the straight line [m]
    :param measured_dbm: [L] measured levels [dBm]
    :param models: the models
    :param offset: what was fitted on the test data
    :param protocol: how test and calibration data were kept apart, in words
    :param left_out: links that could not be compared, by reason
    """

    setup: IntArray
    receiver: IntArray
    distance: FloatArray
    measured_dbm: FloatArray
    models: tuple[ModelErrors, ...]
    offset: Offset
    protocol: str
    left_out: dict[str, int]

    def __getitem__(self, name: str) -> ModelErrors:
        """The model of a name."""
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(name)

    def __str__(self) -> str:
        return _text_of(self)

    def _repr_html_(self) -> str:
        return _html_of(self)

    def rows(self) -> list[dict[str, Any]]:
        """A row a link, setups and receivers counted from 1: distance, measured level, and each
        model's level and error."""
        found = []
        for i in range(len(self.measured_dbm)):
            row: dict[str, Any] = {
                "setup": int(self.setup[i]) + 1,
                "receiver": int(self.receiver[i]) + 1,
                "distance": float(self.distance[i]),
                "measured_dbm": float(self.measured_dbm[i]),
            }
            for model in self.models:
                word = model.name.replace(" ", "_").replace("-", "_")
                row[f"{word}_dbm"] = float(model.level_dbm[i])
                row[f"{word}_error_db"] = float(model.error_db[i])
                if model.low_db is not None and model.high_db is not None:
                    row[f"{word}_low_dbm"] = float(model.level_dbm[i] + model.low_db[i])
                    row[f"{word}_high_dbm"] = float(model.level_dbm[i] + model.high_db[i])
            found.append(row)
        return found

    def units(self) -> dict[str, str]:
        """Units of the columns of :meth:`rows`."""
        found = {"distance": "m"}
        for name in self.rows()[0]:
            if name.endswith("_dbm"):
                found[name] = "dBm"
            elif name.endswith("_db"):
                found[name] = "dB"
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``vlmrt evaluate --json`` prints them."""
        count = int(self.setup.max()) + 1
        return {
            "offset": self.offset,
            "protocol": self.protocol,
            "num_links": len(self.measured_dbm),
            "left_out": self.left_out,
            "models": [
                {
                    **model.to_dict(),
                    "rms_db_by_setup": [
                        None if math.isnan(rms) else rms
                        for rms in model.rms_by(self.setup, count).tolist()
                    ],
                }
                for model in self.models
            ],
        }


def _text_of(found: Evaluation) -> str:
    """The tables and remarks."""
    from rich.console import Console

    text = io.StringIO()
    console = Console(
        file=text, width=112, no_color=True, highlight=False, force_jupyter=False,
        force_terminal=False,
    )  # fmt: skip
    for title, head, rows in tables(found):
        console.print(_table(title, head, rows))
    for line in remarks(found):
        console.print(line, soft_wrap=True, markup=False)
    return text.getvalue().rstrip()


def _html_of(found: Evaluation) -> str:
    """The tables and remarks, for notebooks."""
    parts = []
    every = tables(found)
    for i, (title, head, rows) in enumerate(every):
        notes = remarks(found) if i == len(every) - 1 else ()
        parts.append(html_table(title, head, rows, notes))
    return "".join(parts)


def tables(found: Evaluation) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Title, head and rows of each table."""
    count = len(found.measured_dbm)
    overall = []
    for model in found.models:
        inside = "" if math.isnan(model.inside) else f"{100 * model.inside:.1f} %"
        bounds = (f"{value:.2f}" for value in model.quantiles_db)
        overall.append(
            (model.name, f"{model.mean_db:+.2f}", f"{model.rms_db:.2f}", *bounds, inside)
        )
    result = [(f"Errors at {count} links [dB]: predicted minus measured", HEAD, overall)]
    names = tuple(model.name for model in found.models)
    edges = distance_bins(found.distance)
    place = np.clip(np.searchsorted(edges, found.distance, "right") - 1, 0, len(edges) - 2)
    labels = [f"{a:g} to {b:g} m" for a, b in itertools.pairwise(edges)]
    result.append(_grouped("RMS error by distance [dB]", "distance", labels, place, found, names))
    setups = np.unique(found.setup)
    if 1 < len(setups) <= MOST_SETUPS:
        number = np.searchsorted(setups, found.setup)
        labels = [str(m + 1) for m in setups]
        result.append(_grouped("RMS error by setup [dB]", "setup", labels, number, found, names))
    return result


def _grouped(
    title: str, word: str, labels: list[str], group: Any, found: Evaluation, names: tuple[str, ...]
) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    values = [model.rms_by(group, len(labels)) for model in found.models]
    size = np.bincount(group, minlength=len(labels))
    rows = [
        (label, str(size[g]), *(f"{v[g]:.2f}" for v in values))
        for g, label in enumerate(labels)
        if size[g]
    ]
    return title, (word, "links", *names), rows


def remarks(found: Evaluation) -> list[str]:
    """Remarks beside the tables, a sentence a line."""
    lines = [found.protocol]
    lines += [f"{m.name}: {m.description}" for m in found.models if m.description]
    lines += [f"left out: {count} links, {reason}" for reason, count in found.left_out.items()]
    return lines


def _table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    for i, name in enumerate(head):
        table.add_column(escape(name), justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
