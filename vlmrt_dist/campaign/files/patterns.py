"""Measured antenna patterns from files: CSV, MSI/Planet (.msi, .pln), NumPy (.npz).

A CSV has the columns theta, phi and gain_dbi, a row for each direction of a grid; or, in the place
of the gain, the field's parts theta_re, theta_im, phi_re, phi_im. Its angles are degrees, or
radians where the headings are theta_rad and phi_rad. An .npz holds arrays of these names. An MSI
file has two cuts, horizontal and vertical, as losses below the maximum; the pattern in space is
their sum, as planning tools make it,

    G(θ, φ) = G_max - A_h(φ) - A_v(θ),

where A_v is that of the front half for |φ| up to 90°, else that of the back.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.files.problems import shown
from vlmrt_dist.campaign.pattern_table import MOST_ENTRIES, PatternTable
from vlmrt_dist.errors import ConfigurationError, MeasurementFileError
from vlmrt_dist.store import UnreadableFile, read_limited

MAX_BYTES = 64 * 2**20
"""Largest pattern file [bytes]; also what an .npz may unpack to."""

DBD = 2.15
"""Gain of the dipole that gains in dBd refer to [dBi]."""

_GAIN = "gain_dbi"
_PARTS = ("theta_re", "theta_im", "phi_re", "phi_im")
_EXAMPLE = "theta,phi,gain_dbi"


def read_pattern(path: str | os.PathLike[str]) -> PatternTable:
    """The pattern in a .csv, .msi, .pln or .npz file.

    :raises MeasurementFileError: if it cannot be read, or is no pattern over the sphere (with what
        to mend)
    """
    suffix = Path(path).suffix.lower()
    readers = {".csv": _from_csv, ".npz": _from_npz, ".msi": _from_msi, ".pln": _from_msi}
    if suffix not in readers:
        raise MeasurementFileError(
            path, [(0, f"a pattern's name must end in {', '.join(readers)}")]
        )
    try:
        return readers[suffix](read_limited(path, MAX_BYTES))
    except (ConfigurationError, UnreadableFile, ValueError) as error:
        raise MeasurementFileError(path, [(0, str(error))]) from None


def _from_csv(content: bytes) -> PatternTable:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) - 1 > MOST_ENTRIES:
        raise ValueError(f"a pattern has {MOST_ENTRIES:,} directions at most")
    separator = max(",;\t", key=(lines[0] if lines else "").count)
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator))
    if len(rows) < 2:
        raise ValueError(f"it has no rows; a pattern has the columns {_EXAMPLE}")
    names = [_plain(name) for name in rows[0]]
    columns: dict[str, list[float]] = {name: [] for name in names}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise ValueError(f"row {number} has {len(row)} cells, the header {len(names)}")
        for name, cell in zip(names, row, strict=True):
            try:
                value = float(cell)
            except ValueError:
                value = math.nan if not cell.strip() else math.inf
            if value == math.inf:
                raise ValueError(f"row {number}: {name} is no number ({shown(cell)})")
            columns[name].append(value)
    return _from_rows({name: np.array(values) for name, values in columns.items()})


def _plain(name: str) -> str:
    """A heading in small letters: "Gain (dBi)" is gain_dbi, "theta [deg]" theta."""
    text = re.sub(r"[^a-z0-9]+", "_", name.strip().casefold()).strip("_")
    return re.sub(r"_(deg|degree|degrees)$", "", text)


def _from_rows(columns: Mapping[str, FloatArray]) -> PatternTable:
    """A table from a row for each direction."""
    theta, phi = _direction(columns, "theta"), _direction(columns, "phi")
    quantities = [_GAIN] if _GAIN in columns else list(_PARTS)
    missing = [name for name in quantities if name not in columns]
    if missing:
        hint = " (gains are taken in dBi: name the column gain_dbi)" if "gain" in columns else ""
        raise ValueError(
            f"it lacks {', '.join(missing)}; a pattern has the columns {_EXAMPLE}, or "
            f"theta,phi,{','.join(_PARTS)}{hint}"
        )
    grid_theta, row = np.unique(np.round(theta, 9), return_inverse=True)
    grid_phi, column = np.unique(np.round(phi, 9), return_inverse=True)
    shape = len(grid_theta), len(grid_phi)
    if len(theta) != len(np.unique(row * shape[1] + column)):
        raise ValueError("a direction stands in it twice")
    found = []
    for name in quantities:
        values = np.full(shape, np.nan)
        values[row, column] = columns[name]
        found.append(values)
    return _table(grid_theta, grid_phi, found)


def _direction(columns: Mapping[str, FloatArray], name: str) -> FloatArray:
    """Angles of a column [rad]."""
    if f"{name}_rad" in columns:
        angles = columns[f"{name}_rad"]
        if np.nanmax(np.abs(angles)) > 2.0 * math.pi + 1e-6:
            raise ValueError(f"{name}_rad goes beyond a turn, so it is in degrees: name it {name}")
        return angles
    if name not in columns:
        raise ValueError(f"it lacks the column {name}; a pattern has the columns {_EXAMPLE}")
    angles = columns[name]
    if not np.isfinite(angles).all():
        raise ValueError(f"a {name} is no number")
    reach = float(np.abs(angles).max())
    if abs(reach - math.pi) < 0.1 or abs(reach - 2.0 * math.pi) < 0.1:
        raise ValueError(
            f"{name} reaches {reach:.4g}, which is π or 2π: radians; name the column {name}_rad"
        )
    return np.radians(angles)


def _table(theta: FloatArray, phi: FloatArray, parts: list[FloatArray]) -> PatternTable:
    """A table of one gain [dBi], or of the four parts of a field, on a grid."""
    if len(phi) > 1 and phi[-1] - phi[0] > 2.0 * math.pi - 1e-6:  # the first azimuth once more
        phi, parts = phi[:-1], [part[:, :-1] for part in parts]
    for part in parts:
        # At the poles all azimuths are one direction; a file may state it once.
        for pole in (0, -1):
            there = np.isfinite(part[pole])
            if len(parts) == 1 and there.sum() == 1:
                part[pole] = part[pole][there][0]
    if len(parts) == 1:
        return PatternTable.of_gain(theta, phi, parts[0])
    field = np.stack([parts[0] + 1j * parts[1], parts[2] + 1j * parts[3]], axis=2)
    return PatternTable(theta, phi, field)


def _from_npz(content: bytes) -> PatternTable:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(each.file_size for each in archive.infolist()) > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES >> 20} MB")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            given: dict[str, NDArray[np.generic]] = {_plain(k): arrays[k] for k in arrays.files}
    except (zipfile.BadZipFile, OSError, KeyError, EOFError) as error:
        raise ValueError(f"it is no .npz file: {str(error)[:60]}") from None
    wrong = [name for name, array in given.items() if array.dtype.kind not in "fciu"]
    if wrong:
        raise ValueError(f"{wrong[0][:40]} holds no numbers")
    angles = {name: np.asarray(a, np.float64) for name, a in given.items() if a.ndim == 1}
    theta, phi = _direction(angles, "theta"), _direction(angles, "phi")
    if _GAIN in given and given[_GAIN].ndim == 1:
        return _from_rows(angles)
    if _GAIN in given:
        return _table(theta, phi, [np.array(given[_GAIN], np.float64)])
    if "field" in given:
        return PatternTable(theta, phi, given["field"])
    raise ValueError(
        "it lacks gain_dbi [theta, phi], or field [theta, phi, 2] (complex θ and φ components)"
    )


def _from_msi(content: bytes) -> PatternTable:
    """The pattern of two cuts, see the module."""
    lines = content.decode("latin-1").splitlines()
    gain, cuts = None, {}
    at = 0
    while at < len(lines):
        words = lines[at].split()
        at += 1
        key = words[0].upper() if words else ""
        if key == "GAIN":
            gain = _msi_gain(words[1:])
        elif key in ("HORIZONTAL", "VERTICAL"):
            count = int(words[1]) if len(words) > 1 and words[1].isdigit() else 360
            if not 4 <= count <= 36_000:
                raise ValueError(f"{key} states {count} directions")
            cuts[key] = _msi_cut(key, lines[at : at + count], count)
            at += count
    if gain is None or set(cuts) != {"HORIZONTAL", "VERTICAL"}:
        raise ValueError(
            "an MSI file has lines GAIN, HORIZONTAL and VERTICAL; one of them is missing"
        )
    theta = np.radians(np.linspace(0.0, 180.0, 181))
    phi = np.radians(np.arange(-180.0, 180.0))
    # Azimuths of the file go clockwise, those of a pattern the other way round; its vertical cut
    # starts at the horizon and goes down.
    across = _at(cuts["HORIZONTAL"], -np.degrees(phi))
    down = np.degrees(theta) - 90.0
    front, back = _at(cuts["VERTICAL"], down), _at(cuts["VERTICAL"], 180.0 - down)
    ahead = np.abs(phi) <= 0.5 * np.pi + 1e-9
    loss = np.where(ahead, front[:, None], _relative(back, cuts["HORIZONTAL"])[:, None])
    return PatternTable.of_gain(theta, phi, gain - loss - across)


def _relative(back: FloatArray, horizontal: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Losses of the vertical cut behind the antenna, below the one that the horizontal cut has
    there already."""
    return np.maximum(back - _at(horizontal, np.array([180.0])), 0.0)


def _msi_gain(words: list[str]) -> float:
    unit = words[1].casefold() if len(words) > 1 else "dbd"  # the format's default
    if unit not in ("dbi", "dbd"):
        raise ValueError(f"GAIN is in {shown(words[1])}; dBi or dBd are understood")
    try:
        value = float(words[0])
    except (IndexError, ValueError):
        raise ValueError("GAIN states no number") from None
    return value + (DBD if unit == "dbd" else 0.0)


def _msi_cut(key: str, lines: list[str], count: int) -> tuple[FloatArray, FloatArray]:
    """Angles [°], ascending, and losses below the maximum [dB] of a cut."""
    try:
        pairs = np.array([[float(word) for word in line.split()[:2]] for line in lines])
    except ValueError:
        pairs = np.zeros((0, 2))
    if pairs.shape != (count, 2) or not np.isfinite(pairs).all():
        raise ValueError(f"{key} states {count} directions, but not each has an angle and a loss")
    angle, loss = pairs[np.argsort(pairs[:, 0])].T
    gaps = np.diff(np.append(angle, angle[0] + 360.0))
    if angle[0] < -180.0 or angle[-1] > 360.0 or gaps.max() > 45.0 or gaps.min() <= 0.0:
        raise ValueError(f"the {key} cut has holes: its angles do not go around in degrees")
    if loss.min() < -1e-9:
        raise ValueError(
            f"the {key} cut has negative losses; an MSI file states dB below the maximum, positive"
        )
    return angle, loss


def _at(cut: tuple[FloatArray, FloatArray], angle: FloatArray) -> FloatArray:
    """Losses at angles [°] of any turn."""
    return np.interp(angle, *cut, period=360.0)
