"""Quantities by which the objects of a 3D page are coloured, and the lines shown about each."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import FrequencyError, MaterialError
from vlmrt_dist.inference import (
    VERDICT_WORDS,
    Calibration,
    QuantityEstimate,
    interval_text,
    value_text,
)
from vlmrt_dist.report.plotting.measurement import VERDICT_COLORS
from vlmrt_dist.scene import MAX_CONDUCTIVITY, SceneModel

PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#9c755f",
    "#ff9da7", "#86bcb6", "#8cd17d", "#d37295", "#a0cbe8", "#ffbe7d", "#d4a6c8", "#499894",
)  # fmt: skip

MAX_CLASSES = len(PALETTE)
"""Most classes of material with a colour of their own; the others share one."""

LINEAR, LOG, CLASSES = "linear", "log", "classes"


@dataclass(frozen=True, eq=False)
class Colouring:
    """Values of K objects, and how they become colours.

    :param key: names it in the page
    :param title: of the colour bar, with the unit
    :param values: [K]; NaN where there is none; of classes their index
    :param scale: "linear", "log" or "classes"
    :param classes: name and colour of each class
    """

    key: str
    title: str
    values: FloatArray
    scale: str = LINEAR
    classes: tuple[tuple[str, str], ...] = ()


def colourings_of(
    scene: SceneModel,
    frequency: float,
    calibration: Calibration | None,
    residual_db: FloatArray | None,
) -> list[Colouring]:
    """The colourings of a page, the first of which it opens with.

    :param frequency: carrier of the conductivities where nothing was estimated [Hz]
    :param residual_db: [K] residual of the links that meet each object; None: nothing was measured
    """
    sigma, _ = own_values(scene, frequency)
    if calibration is not None:
        sigma = calibration.quantities["conductivity"].value
    # Metal (1e7 S/m) would leave all other objects the lowest colour.
    positive = np.where((sigma > 0.0) & (sigma <= MAX_CONDUCTIVITY), sigma, np.nan)
    found = [Colouring("conductivity", "conductivity [S/m]", positive, LOG)]
    if calibration is not None:
        quantity = calibration.quantities["conductivity"]
        found += [
            Colouring("width", "95 % interval: high / low", _width(quantity), LOG),
            _verdicts(quantity),
        ]
    if residual_db is not None:
        found.append(Colouring("residual", "residual of its links [dB]", residual_db))
    return [*found, _materials(scene)]


def own_values(scene: SceneModel, frequency: float) -> tuple[FloatArray, FloatArray]:
    """Conductivity [S/m] and relative permittivity of the objects [K]; NaN where the scene does not
    state them, or the material is not tabulated at this carrier [Hz]."""
    values = np.full((2, scene.num_objects), np.nan)
    alike: dict[tuple[object, ...], list[int]] = {}
    for k, item in enumerate(scene.objects):
        kind = (item.material, item.conductivity, item.relative_permittivity)
        alike.setdefault(kind, []).append(k)
    for members in alike.values():
        one = dataclasses.replace(scene, objects=(scene.objects[members[0]],))
        with contextlib.suppress(MaterialError, FrequencyError):
            found = one.conductivity(frequency)[0], one.relative_permittivity(frequency)[0]
            values[:, members] = np.array(found)[:, None]
    return values[0], values[1]


def _width(quantity: QuantityEstimate) -> FloatArray:
    """[K] upper over lower end of the interval; NaN where the value is given."""
    free = np.array([verdict != "fixed" for verdict in quantity.verdict])
    ratio = np.divide(quantity.high, quantity.low, out=np.full(len(free), np.nan), where=free)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def _verdicts(quantity: QuantityEstimate) -> Colouring:
    present = [v for v in VERDICT_COLORS if v in quantity.verdict]
    index = np.array([present.index(v) for v in quantity.verdict], np.float64)
    classes = tuple((VERDICT_WORDS[v], VERDICT_COLORS[v]) for v in present)
    return Colouring("verdict", "verdict", index, CLASSES, classes)


def _materials(scene: SceneModel) -> Colouring:
    """The most frequent classes of material in colours of their own."""
    names, inverse, count = np.unique(scene.materials, return_inverse=True, return_counts=True)
    order = np.argsort(-count, kind="stable")
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    shown = [str(names[i]) for i in order]
    if len(shown) > MAX_CLASSES:
        more = len(shown) - MAX_CLASSES + 1
        shown = [*shown[: MAX_CLASSES - 1], f"{more} other materials"]
    index = np.minimum(rank[inverse.reshape(-1)], len(shown) - 1).astype(np.float64)
    classes = tuple(zip(shown, PALETTE, strict=False))
    return Colouring("material", "material", index, CLASSES, classes)


def lines_of(
    scene: SceneModel,
    frequency: float,
    calibration: Calibration | None,
    residual_db: FloatArray | None,
) -> list[list[str]]:
    """[K] lines about each object: material, each value with interval and verdict, residual."""
    lines = [[f"material: {material}"] for material in scene.materials]
    if calibration is None:
        sigma, permittivity = own_values(scene, frequency)
        carrier = f"{frequency / 1e9:g} GHz"
        for k, about in enumerate(lines):
            if np.isnan(sigma[k]):
                about.append(f"conductivity at {carrier}: not stated, or not in ITU-R P.2040")
                continue
            about.append(f"conductivity: {sigma[k]:.4g} S/m at {carrier}")
            about.append(f"relative permittivity: {permittivity[k]:.4g}")
    else:
        for name, quantity in calibration.quantities.items():
            for about, text in zip(lines, _stated(name, quantity), strict=True):
                about.append(text)
    for k, about in enumerate(lines):
        if residual_db is not None and np.isfinite(residual_db[k]):
            about.append(f"links that meet it: residual {residual_db[k]:.2g} dB (RMS)")
        elif residual_db is not None:
            about.append("no link meets it")
    return lines


def _stated(name: str, quantity: QuantityEstimate) -> Sequence[str]:
    """[K] value, interval and verdict."""
    unit = f" {quantity.unit}" if quantity.unit else ""
    words = name.replace("_", " ")
    texts = []
    for k, verdict in enumerate(quantity.verdict):
        doubt = "; contradicts its prior" if quantity.contradicts_prior[k] else ""
        if verdict == "not_identified":
            texts.append(f"{words}: {VERDICT_WORDS[verdict]}, {interval_text(quantity, k)}{unit}")
            continue
        interval = f" ({interval_text(quantity, k)})" if verdict in ("estimated", "weak") else ""
        told = f"{value_text(quantity, k)}{unit}{interval}"
        texts.append(f"{words}: {told}, {VERDICT_WORDS[verdict]}{doubt}")
    return texts
