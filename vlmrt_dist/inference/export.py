"""Result files: an estimate as rows, one an object or one a link, with units and where it is from.

Parquet holds units in the fields' metadata and the provenance in the schema's, JSON both beside
the rows; CSV has the rows only. What is no number is null, or an empty cell.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist import __version__
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.errors import StorageError
from vlmrt_dist.inference.posterior_document import posterior_document
from vlmrt_dist.inference.quantities import QuantityEstimate
from vlmrt_dist.inference.result import Estimate, part_list
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import write_atomic

RESULT_SUFFIXES = (".parquet", ".csv", ".json")
"""Endings of result files."""

CONDUCTIVITIES = ("conductivity", "low", "high", "prior", "prior_low", "prior_high")
LINK_UNITS = {
    **dict.fromkeys(("tx_x", "tx_y", "tx_z", "rx_x", "rx_y", "rx_z"), "m"),
    **dict.fromkeys(("measured_dbm", "replayed_dbm", "held_out_dbm"), "dBm"),
    **dict.fromkeys(("noise_db", "residual_db", "held_out_residual_db"), "dB"),
    "frequency": "Hz",
    "standardised": "1",
}

Row = dict[str, Any]


def write_estimate(
    result: Estimate,
    path: str | os.PathLike[str],
    *,
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
) -> Path:
    """Write one row an object as ``.parquet``, ``.csv`` or ``.json``, whole or not at all.

    ``.parquet`` and ``.json`` hold the whole estimate, with the posterior that predictions follow
    from; ``.csv`` the rows only. :func:`~vlmrt_dist.inference.estimate_files.read_estimate` reads
    them.

    :param scene: what ``result`` was estimated for; it, ``campaign`` and ``radio`` enter the
        provenance
    :return: the path written
    :raises StorageError: if the name ends in none of these, or the place cannot be written to
    """
    about = provenance(result, scene, campaign, radio)
    if Path(path).suffix.lower() != ".csv":
        about["posterior"] = posterior_document(result)
    units = {**dict.fromkeys(CONDUCTIVITIES, "S/m"), "frequency": "Hz"}
    behind = {} if result.layers is None else result.layers.quantities
    for name, quantity in {**behind, **result.others}.items():
        if name == "conductivity":
            continue
        ends = ("", "_low", "_high", "_prior", "_prior_low", "_prior_high")
        units |= {name + end: quantity.unit for end in ends}
    return write_rows(object_rows(result), path, units, about)


def object_rows(result: Estimate) -> list[Row]:
    """A row an object: its conductivity, then the other quantities that were unknown; and where
    objects have layers that could be unknown, a row a layer behind them (``layer`` true).

    Each states the carrier, so that a row stands for itself (``frequency`` [Hz]).
    """
    calibration, layers = result.calibration, result.layers
    rows = _rows(result.names, result.materials, calibration.quantities, result.frequency)
    if layers is None:
        return rows
    more = _rows(layers.names, layers.materials, layers.quantities, result.frequency)
    every = list(dict.fromkeys(key for row in (*rows, *more) for key in row))
    return [
        {**{key: row.get(key) for key in every}, "layer": k >= len(rows)}
        for k, row in enumerate([*rows, *more])
    ]


def _rows(
    names: Sequence[str],
    materials: Sequence[str],
    quantities: Mapping[str, QuantityEstimate],
    frequency: float,
) -> list[Row]:
    """A row each; the conductivity's columns but its value have no name before them."""
    rows: list[Row] = []
    for k, (name, material) in enumerate(zip(names, materials, strict=True)):
        row: Row = {"name": name, "material": material}
        for which, quantity in quantities.items():
            prefix = "" if which == "conductivity" else f"{which}_"
            row[which] = float(quantity.value[k])
            for field in ("std", "low", "high", "prior", "prior_low", "prior_high"):
                row[prefix + field] = float(getattr(quantity, field)[k])
            row[f"{prefix}verdict"] = quantity.verdict[k]
            row[f"{prefix}contradicts_prior"] = quantity.contradicts_prior[k]
            row[f"{prefix}parts"] = _parts_text(part_list(quantity.parts, k))
            if which == "conductivity":
                row["frequency"] = frequency
        row.setdefault("frequency", frequency)
        rows.append(row)
    return rows


def _parts_text(parts: list[Row]) -> str:
    """Several intervals, or an open one, as JSON text; empty where an object has one interval."""
    return json.dumps(parts, allow_nan=False) if parts else ""


def write_links(
    result: Estimate,
    path: str | os.PathLike[str],
    *,
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
) -> Path:
    """Write one row a link; otherwise as :func:`write_estimate`."""
    rows = link_rows(result, campaign, radio)
    return write_rows(rows, path, LINK_UNITS, provenance(result, scene, campaign, radio))


def link_rows(result: Estimate, campaign: Campaign, radio: RadioConfig) -> list[Row]:
    """A row a link; setups and receivers are counted from 1."""
    links = result.links
    frequency = campaign.frequency
    if frequency is None:
        frequency = np.full(campaign.num_setups, radio.frequency)
    columns = {
        "measured_dbm": links.measured_dbm,
        "replayed_dbm": links.replayed_dbm,
        "residual_db": links.residual_db,
        "standardised": links.standardised,
        "held_out_dbm": links.held_out_dbm,
        "held_out_residual_db": links.held_out_residual_db,
        "noise_db": links.noise_db,
    }
    rows = []
    for m, n in np.argwhere(campaign.present).tolist():
        row: Row = {"setup": m + 1, "receiver": n + 1}
        row |= zip(("tx_x", "tx_y", "tx_z"), campaign.tx[m].tolist(), strict=True)
        row |= zip(("rx_x", "rx_y", "rx_z"), campaign.rx[m, n].tolist(), strict=True)
        row["frequency"] = float(frequency[m])
        row |= {name: float(values[m, n]) for name, values in columns.items()}
        bounds = {"censored": links.censored, "saturated": links.saturated}
        rows.append(row | {name: bool(marks[m, n]) for name, marks in bounds.items()})
    return rows


def provenance(
    result: Estimate, scene: SceneModel, campaign: Campaign, radio: RadioConfig
) -> dict[str, Any]:
    """Provenance of an estimate: all about it but the rows, as plain values."""
    versions = {**engine_versions(), "vlmrt_dist": __version__}
    in_rows = ("objects", "others", "units")
    about = {name: value for name, value in result.to_dict().items() if name not in in_rows}
    return {
        **about,
        "scene": scene.name,
        "scene_key": scene.key,
        "campaign_key": campaign.key,
        "radio": dataclasses.asdict(radio),
        "versions": {"python": platform.python_version(), **versions},
        "remarks": result.remarks(),
    }


def write_rows(
    rows: list[Row],
    path: str | os.PathLike[str],
    units: dict[str, str],
    about: dict[str, Any] | None = None,
) -> Path:
    """Write rows as ``.parquet``, ``.csv`` or ``.json``, whole or not at all.

    :param units: of the columns; a column without one is of names, counts or ratios
    :param about: provenance, which a CSV has no place for
    :raises StorageError: if the name ends in none of these, or the place cannot be written to
    """
    about = about or {}
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in RESULT_SUFFIXES:
        raise StorageError(
            f"cannot write {target}: its name must end in {' or '.join(RESULT_SUFFIXES)}"
        )
    rows = [{name: _plain(value) for name, value in row.items()} for row in rows]
    units = {name: units.get(name, "") for name in rows[0]}
    if suffix == ".json":
        document = {"provenance": about, "units": units, "rows": rows}
        content = json.dumps(document, indent=2, allow_nan=False).encode()
    else:
        content = _to_csv(rows) if suffix == ".csv" else _to_parquet(rows, units, about)
    return write_atomic(target, content)


def _to_csv(rows: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _to_parquet(rows: list[Row], units: dict[str, str], about: dict[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    fields = []
    for name, unit in units.items():
        # A column without any value is one of numbers that are not known.
        known = next((row[name] for row in rows if row[name] is not None), math.nan)
        fields.append(pa.field(name, types[type(known)], metadata={"unit": unit}))
    schema = pa.schema(
        fields, metadata={key: json.dumps(value, allow_nan=False) for key, value in about.items()}
    )
    buffer = io.BytesIO()
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, buffer, write_page_checksum=True)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
