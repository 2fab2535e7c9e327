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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.errors import StorageError
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import write_atomic

SUFFIXES = (".parquet", ".csv", ".json")

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

    :param scene: what ``result`` was estimated for; it, ``campaign`` and ``radio`` enter the
        provenance
    :return: the path written
    :raises StorageError: if the name ends in none of these, or the place cannot be written to
    """
    about = provenance(result, scene, campaign, radio)
    units = {**dict.fromkeys(CONDUCTIVITIES, "S/m"), "frequency": "Hz"}
    for name, quantity in result.others.items():
        ends = ("", "_low", "_high", "_prior", "_prior_low", "_prior_high")
        units |= {name + end: quantity.unit for end in ends}
    return _write(object_rows(result), units, about, path)


def object_rows(result: Estimate) -> list[Row]:
    """A row an object: its conductivity, then the other quantities that were unknown.

    Each states the carrier, so that a row stands for itself (``frequency`` [Hz]).
    """
    rows: list[Row] = [
        {**row, "frequency": result.frequency} for row in result.to_dict()["objects"]
    ]
    for name, quantity in result.others.items():
        for k, row in enumerate(rows):
            row[name] = float(quantity.value[k])
            for field in ("std", "low", "high", "prior", "prior_low", "prior_high"):
                row[f"{name}_{field}"] = float(getattr(quantity, field)[k])
            row[f"{name}_verdict"] = quantity.verdict[k]
            row[f"{name}_contradicts_prior"] = quantity.contradicts_prior[k]
    return rows


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
    return _write(rows, LINK_UNITS, provenance(result, scene, campaign, radio), path)


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
    versions = dict(engine_versions())
    try:
        versions["vlmrt_dist"] = version("vlmrt_dist")
    except PackageNotFoundError:
        versions["vlmrt_dist"] = "not installed"
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


def _write(
    rows: list[Row], units: dict[str, str], about: dict[str, Any], path: str | os.PathLike[str]
) -> Path:
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise StorageError(f"cannot write {target}: its name must end in {' or '.join(SUFFIXES)}")
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
