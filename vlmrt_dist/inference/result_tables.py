"""Tables of an estimate: for terminals, and in HTML for notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.console import MOST_ROWS, first_rows, tallied
from vlmrt_dist.html_tables import html_table
from vlmrt_dist.inference.estimate_values import EstimateValues
from vlmrt_dist.inference.quantities import DeviceEstimate, Gains, QuantityEstimate
from vlmrt_dist.inference.wording import VERDICT_WORDS, cells, differing

MAX_SOLUTIONS = 4
"""Most solutions that the table shows."""

MAX_DIFFERING = 30
"""Most values of the solutions that their table shows."""

SOLUTIONS = "Solutions that explain the levels within the noise, and what they differ in"


DEVICES = "Orientations, positions and powers of devices, as differences to those stated"


def rich_tables(result: EstimateValues) -> list[Any]:
    """Rich tables: object, material, prior, estimate, interval and verdict for each quantity
    that was unknown, and the setups' offsets if they were."""
    asked = dict(result.calibration.quantities)
    if (result.others or result.layers) and set(result.verdict) == {"fixed"}:
        del asked["conductivity"]
    tables = [_table(result, name, quantity) for name, quantity in asked.items()]
    if result.layers is not None:
        tables += [_layer_table(result, name) for name in result.layers.quantities]
    if result.gains is not None:
        tables.append(_gain_table(result.gains))
    if result.devices:
        tables.append(_plain_table(DEVICES, *_device_rows(result.devices)))
    if result.solutions:
        tables.append(_plain_table(SOLUTIONS, *_solution_rows(result)))
    return tables


def _table(result: EstimateValues, name: str, quantity: QuantityEstimate) -> Any:
    from rich.markup import escape

    table = _empty_table(result, name, quantity, "object", len(result.names))
    spread = _spread(name, quantity)
    shown = first_rows([
        math.inf if verdict in ("fixed", "not_identified") else spread[k]
        for k, verdict in enumerate(quantity.verdict)
    ])  # fmt: skip
    for k in shown:
        # Names come from files.
        table.add_row(*map(escape, (result.names[k], *_row(result, quantity, k))))
    if len(shown) < len(result.names):
        rest = [VERDICT_WORDS[v] for k, v in enumerate(quantity.verdict) if k not in set(shown)]
        table.caption = (
            f"the {len(shown)} best known objects; {len(rest)} more: {tallied(rest)}. All of "
            "them are in --out FILE and --json (estimate.to_dict())"
        )
        table.caption_justify = "left"
    return table


def _heading(name: str) -> str:
    """A quantity as a table's heading: "Scattering coefficient", "XPD coefficient"."""
    return name.replace("_", " ").capitalize().replace("Xpd", "XPD")


def _empty_table(
    result: EstimateValues, name: str, quantity: QuantityEstimate, what: str, count: int
) -> Any:
    from rich.markup import escape
    from rich.table import Table

    words = _heading(name)
    where = f" at {result.frequency / 1e9:g} GHz" if name != "thickness" else ""
    unit = escape(f" [{quantity.unit}]") if quantity.unit else ""
    many = "s" * (count != 1)
    table = Table(title=f"{words} of {count} {what}{many}{where}", title_justify="left")
    table.add_column(what, overflow="fold")
    table.add_column("material", overflow="fold")
    table.add_column(f"prior{unit}", justify="right")
    table.add_column(f"estimate{unit}", justify="right")
    table.add_column(f"95 % interval{unit}", justify="right")
    table.add_column("verdict")
    return table


def _layer_table(result: EstimateValues, name: str) -> Any:
    from rich.markup import escape

    assert result.layers is not None
    quantity = result.layers.quantities[name]
    table = _empty_table(result, name, quantity, "layer", len(result.layers.names))
    rows = _layer_rows(result, name)
    for row in rows[:MOST_ROWS]:
        table.add_row(*map(escape, row))
    if len(rows) > MOST_ROWS:
        table.caption = f"{len(rows) - MOST_ROWS} more are in --out FILE and --json"
        table.caption_justify = "left"
    return table


def _layer_rows(result: EstimateValues, name: str) -> list[tuple[str, ...]]:
    """Name, material, prior, estimate, interval and verdict of each layer."""
    assert result.layers is not None
    quantity = result.layers.quantities[name]
    pairs = zip(result.layers.names, result.layers.materials, strict=True)
    return [(*pair, *cells(quantity, k)) for k, pair in enumerate(pairs)]


def _row(result: EstimateValues, quantity: QuantityEstimate, k: int) -> tuple[str, ...]:
    """Material, prior, estimate, interval and verdict of an object; of one with layers the
    numbers of the slab that stands for them are not shown."""
    layered = None if result.scene is None else result.scene.objects[k].layered
    if layered is None:
        return result.materials[k], *cells(quantity, k)
    material = str(layered)
    if quantity.verdict[k] == "fixed":
        return material, "", "", "", "fixed"
    return material, *cells(quantity, k)


def html_tables(result: EstimateValues, notes: Sequence[str]) -> str:
    """A table for each quantity that was unknown, and one of the solutions where there are several.

    :param notes: lines below the last table
    """
    quantities = result.calibration.quantities
    parts = []
    for name, quantity in quantities.items():
        unit = f" [{quantity.unit}]" if quantity.unit else ""
        rows = []
        for k, item in enumerate(result.names):
            rows.append((item, *_row(result, quantity, k)))
        head = ("object", "material", f"prior{unit}", f"estimate{unit}",
                f"95 % interval{unit}", "verdict")  # fmt: skip
        last = name == list(quantities)[-1] and not result.solutions and not result.devices
        caption = f"{_heading(name)} of {len(result.names)} objects"
        if result.layers is not None and name in result.layers.quantities:
            rows += _layer_rows(result, name)
        parts.append(html_table(caption, head, rows, notes if last else []))
    if result.devices:
        last_notes = [] if result.solutions else notes
        parts.append(html_table(DEVICES, *_device_rows(result.devices), last_notes))
    if result.solutions:
        parts.append(html_table(SOLUTIONS, *_solution_rows(result), notes))
    return "".join(parts)


def _solution_rows(result: EstimateValues) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heading and rows of the table of solutions."""
    offsets = () if result.gains is None else result.gains.names
    quantities = result.calibration.quantities
    differ = differing(result.names, result.solutions, quantities, offsets, result.layers)
    shown = result.solutions[:MAX_SOLUTIONS]
    head = ("", *(f"solution {number}" for number in range(1, len(shown) + 1)))
    rows = [
        ("probability", *(f"{each.weight:.0%}" for each in shown)),
        ("residual [dB]", *(f"{each.residual_db:.3g}" for each in shown)),
    ]
    rows += [(title, *texts[: len(shown)]) for title, texts in differ[:MAX_DIFFERING]]
    return head, rows


def _device_rows(
    devices: Sequence[DeviceEstimate],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table of what was unknown of devices."""
    head = ("device", "quantity", "difference", "95 % interval", "verdict")
    rows: list[tuple[str, ...]] = [
        (
            each.device,
            each.quantity.partition("_")[2],
            f"{each.value:+.{2 + (each.unit == 'm')}f} {each.unit}",
            f"{each.low:+.{2 + (each.unit == 'm')}f} … {each.high:+.{2 + (each.unit == 'm')}f}",
            VERDICT_WORDS[each.verdict],
        )
        for each in devices[:MOST_ROWS]
    ]
    if len(devices) > MOST_ROWS:
        rows.append((f"{len(devices) - MOST_ROWS} more: --json", "", "", "", ""))
    return head, rows


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


def _spread(name: str, quantity: QuantityEstimate) -> FloatArray:
    """Width of each interval, by which the best known objects are found."""
    if name == "penetration_loss":
        return quantity.high - quantity.low
    with np.errstate(divide="ignore", invalid="ignore"):
        return quantity.high / quantity.low
