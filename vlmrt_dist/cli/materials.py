"""``vlmrt materials``: the recommended values of each class, and how far measurements lie from
them."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

from cyclopts import Parameter

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.command_line import described
from vlmrt_dist.console import print_result, show
from vlmrt_dist.errors import FrequencyError, MaterialError
from vlmrt_dist.scene import (
    CORRELATION,
    MATERIALS,
    conductivity,
    is_tabulated,
    material_class,
    relative_permittivity,
    rows_at,
    spread_of,
)

_FIXED = ("vacuum", "metal")
"""Classes that an estimation holds fixed."""


@described
def materials_command(
    *,
    frequency: float = RadioConfig.frequency,
    material: Annotated[tuple[str, ...], Parameter(metavar="CLASS")] = (),
    sources: bool = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Material classes at a frequency: values of ITU-R P.2040, and the widths that priors have.

    :param frequency: carrier [Hz]
    :param material: only this class; may be repeated
    :param sources: print the measurements that the widths follow
    :param as_json: print one JSON object
    """
    if not (math.isfinite(frequency) and frequency > 0.0):
        raise FrequencyError("--frequency must be a positive, finite number of hertz")
    names = [material_class(name) for name in material] or list(MATERIALS)
    rows = [_row(name, frequency) for name in dict.fromkeys(names) if is_tabulated(name, frequency)]
    missing = [name for name in dict.fromkeys(names) if not is_tabulated(name, frequency)]
    if not rows:
        raise MaterialError(
            f"ITU-R P.2040 has no values for {', '.join(missing)} at {frequency / 1e9:g} GHz; "
            "choose another --frequency"
        )
    if as_json:
        print_result(
            json.dumps(
                {"frequency": frequency, "correlation": CORRELATION, "materials": rows}, indent=2
            )
        )
        return
    _show(rows, missing, frequency, sources)


def _row(name: str, frequency: float) -> dict[str, Any]:
    used, *others = rows_at(name, frequency)
    spread = spread_of(name, frequency)
    f_ghz = frequency / 1e9
    sigma = conductivity(name, frequency)
    fixed = name in _FIXED
    return {
        "material": name,
        "relative_permittivity": relative_permittivity(name, frequency),
        "conductivity": sigma,
        "row": [used.low, used.high],
        "other_rows": [{"row": [o.low, o.high], "conductivity": o.c * f_ghz**o.d} for o in others],
        "width": None if fixed else spread.conductivity,
        "width_permittivity": None if fixed else spread.relative_permittivity,
        "sources": [] if fixed else list(spread.sources),
        "remark": spread.remark,
    }


def _show(rows: list[dict[str, Any]], missing: list[str], frequency: float, sources: bool) -> None:
    """Print the table, with what decides within a class below it."""
    from rich.table import Table

    table = Table(title=f"ITU-R P.2040-4 at {frequency / 1e9:g} GHz, and the widths of priors")
    for head in ("class", "ε_r", "σ [S/m]", "row [GHz]", "other rows", "ln σ ±", "95 %", "ln ε_r ±",
                 "measured by"):  # fmt: skip
        table.add_column(head)
    cited = sorted({source for row in rows for source in row["sources"]})
    for row in rows:
        fixed, sigma = row["width"] is None, row["conductivity"]
        others = ", ".join(
            f"{o['row'][0]:g}-{o['row'][1]:g}: × {o['conductivity'] / sigma:.2g}"
            for o in row["other_rows"]
        )
        numbers = ", ".join(str(cited.index(source) + 1) for source in row["sources"])
        table.add_row(
            row["material"], f"{row['relative_permittivity']:.3g}", f"{sigma:.3g}",
            f"{row['row'][0]:g}-{row['row'][1]:g}", others,
            "fixed" if fixed else f"{row['width']:.2f}",
            "" if fixed else f"× {math.exp(1.96 * row['width']):.2g}",
            "" if fixed else f"{row['width_permittivity']:.2f}",
            numbers or ("" if fixed else "assumed"),
        )  # fmt: skip
    show(table)
    lines = [f"{row['material']}: {row['remark']}" for row in rows if row["remark"]]
    lines.append("assumed: the mean of the classes that have measurements")
    if any(row["other_rows"] for row in rows):
        lines.append(
            "Where ranges overlap, the row used is the first of the recommendation's table, as in "
            "Sionna RT; the width contains how far the other rows lie from it."
        )
    if missing:
        lines.append("not tabulated at this frequency: " + ", ".join(missing))
    lines += [f"[{i + 1}] {source}" for i, source in enumerate(cited) if sources] or [
        "--sources lists the measurements"
    ]
    show("\n".join(lines))
