"""Positions of antennas, in whatever coordinates the columns are, as those of the scene."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign.files.cells import Numbers, numbers
from vlmrt_dist.campaign.files.geodesy import scene_from_geographic, scene_from_grid
from vlmrt_dist.campaign.files.options import LARGEST, ReadingOptions
from vlmrt_dist.campaign.files.problems import Problems
from vlmrt_dist.campaign.files.understanding import (
    Understanding,
    not_understood,
    suggestion,
)
from vlmrt_dist.errors import ConfigurationError

FARTHEST = 1e5
"""Distance [m] from the scene's origin beyond which positions belong to another place."""

PAIRS = {
    "x": ("x", "y"),
    "latitude": ("latitude", "longitude"),
    "easting": ("easting", "northing"),
}
"""Horizontal coordinates, by the first of the two."""

AXES_OF = {
    "x": ("x", "y", "z"),
    "latitude": ("latitude", "longitude", "height"),
    "easting": ("easting", "northing", "height"),
}
"""The columns that a table of transmitters needs, by the kind of the receivers' coordinates."""

SIDES = {"tx": "transmitter", "rx": "receiver"}


@dataclass(frozen=True)
class Places:
    """Positions of the antennas of one side, a row each.

    :param points: [n,3] [m], in the scene; NaN where there is none
    :param without: rows that state no position at all [n]
    :param kind: "x", "latitude" or "easting"
    :param used: fields that the positions were taken from
    """

    points: FloatArray
    without: BoolArray
    kind: str
    used: tuple[str, ...]


def kind_of(understood: Understanding, side: str) -> str | None:
    """Which horizontal coordinates a table states for a side; None: none completely."""
    return next(
        (k for k, pair in PAIRS.items() if all(f"{side}_{c}" in understood for c in pair)), None
    )


def places(
    understood: Understanding, side: str, options: ReadingOptions, problems: Problems
) -> Places | None:
    """The positions of one side; None, and a problem, if they are not stated."""
    kind = kind_of(understood, side)
    if kind is None:
        wanted = [f"{side}_{axis}" for axis in _wanted(understood, side)]
        missing = [name for name in wanted if name not in understood]
        named = side == "rx" and "receiver" in understood
        hints = "".join(suggestion(name, understood) for name in missing)
        problems.add(
            0,
            f"missing columns: {', '.join(missing)}{hints}; name the columns of the "
            f"{SIDES[side]}'s position, as in --column {missing[0]}=HEADING"
            + (", or give --points FILE with columns name, x, y, z" if named else "")
            + not_understood(understood),
        )
        return None
    pair = [numbers(understood.column(f"{side}_{axis}"), problems) for axis in PAIRS[kind]]
    height, source = _heights(understood, side, options, problems)
    if kind == "latitude" and not _are_angles(understood, side, pair, problems):
        return None
    if kind == "latitude" and options.origin is None and options.projection == "local":
        problems.add(
            0,
            "positions are latitudes and longitudes; give those of the scene's x = y = 0 as "
            "--origin LATITUDE,LONGITUDE, or the system that the scene is drawn in as "
            "--projection EPSG:n",
        )
        return None
    if height is None:
        return None
    without = pair[0].missing & pair[1].missing
    if kind == "latitude":
        without |= (pair[0].values == 0.0) & (pair[1].values == 0.0)
    for axis, each in zip(PAIRS[kind], pair, strict=True):
        _check_finite(understood, f"{side}_{axis}", each, without, problems)
    if source is not None:
        _check_finite(understood, source, height, without, problems)
    flat = _horizontal(pair, kind, options, problems)
    points = np.concatenate([flat, height.values[:, None]], axis=1)
    used = (*(f"{side}_{axis}" for axis in PAIRS[kind]), *([source] if source else []))
    return Places(points, without, kind, used)


def stated_places(
    given: list[tuple[float, ...]], kind: str, options: ReadingOptions, problems: Problems
) -> FloatArray:
    """Positions [n,3] [m] of transmitters that the options state, in coordinates of ``kind``."""
    first = np.array([place[0] for place in given])
    second = np.array([place[1] for place in given])
    none = np.zeros(len(given), dtype=bool)
    if kind == "latitude" and (np.abs(first) > 90.0).any():
        problems.add(0, "--tx takes LATITUDE,LONGITUDE,HEIGHT here; a latitude is beyond 90°")
        return np.full((len(given), 3), np.nan)
    flat = _horizontal(
        [Numbers(each, none, none, none) for each in (first, second)], kind, options, problems
    )
    height = [place[2] if options.tx_height is None else options.tx_height for place in given]
    return np.concatenate([flat, np.array(height)[:, None]], axis=1)


def _wanted(understood: Understanding, side: str) -> tuple[str, str]:
    """The coordinates that a table seems to be about: those of which it has one."""
    for pair in PAIRS.values():
        if any(f"{side}_{axis}" in understood for axis in pair):
            return pair
    return PAIRS["x"]


def _heights(
    understood: Understanding, side: str, options: ReadingOptions, problems: Problems
) -> tuple[Numbers | None, str | None]:
    """Heights in the scene [n] [m] and the field they were taken from."""
    count = len(understood.raw.lines)
    given = options.tx_height if side == "tx" else options.rx_height
    if given is not None:
        no = np.zeros(count, dtype=bool)
        return Numbers(np.full(count, given), no, no, no), None
    for name in (f"{side}_z", f"{side}_height"):
        if name in understood:
            return numbers(understood.column(name), problems), name
    name = f"{side}_altitude"
    option = f"--{side}-height METRES"
    if name not in understood:
        problems.add(0, f"the {SIDES[side]}s' heights are missing (no {side}_z); give {option}")
        return None, None
    if options.origin is None or len(options.origin) < 3:
        problems.add(
            0,
            f"{understood.heading(name)} is an altitude above the sea; give {option} above the "
            "scene's z = 0, or the altitude of that plane as third number of --origin",
        )
        return None, None
    found = numbers(understood.column(name), problems)
    return dataclasses.replace(found, values=found.values - options.origin[2]), name


def _are_angles(
    understood: Understanding, side: str, pair: list[Numbers], problems: Problems
) -> bool:
    """Whether latitudes and longitudes are within their range; else a problem of each column."""
    right = True
    for axis, limit, each in zip(("latitude", "longitude"), (90.0, 180.0), pair, strict=True):
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(np.abs(each.values) > limit)
        if len(wrong):
            right = False
            heading = understood.heading(f"{side}_{axis}")
            other = "easting" if axis == "longitude" else "northing"
            problems.add(
                understood.raw.lines[wrong[0]],
                f"{heading} {each.values[wrong[0]]:.10g} is no {axis}; if it is a grid coordinate "
                f"in metres, say --column {side}_{other}={heading}",
            )
    return right


def _check_finite(
    understood: Understanding, name: str, found: Numbers, without: BoolArray, problems: Problems
) -> None:
    heading = understood.heading(name)
    for row in np.flatnonzero(found.missing & ~without):
        problems.add(understood.raw.lines[row], f"{heading} is empty")
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(np.abs(found.values) > LARGEST)
    for row in wrong:
        problems.add(understood.raw.lines[row], f"{heading} must be a finite number")
    found.values[wrong] = np.nan


def _horizontal(
    pair: list[Numbers], kind: str, options: ReadingOptions, problems: Problems
) -> FloatArray:
    """Coordinates x and y in the scene [n,2] [m]; NaN where there are none."""
    first, second = pair[0].values, pair[1].values
    flat = np.full((len(first), 2), np.nan)
    there = np.isfinite(first) & np.isfinite(second)
    try:
        if kind == "latitude":
            flat[there] = scene_from_geographic(first[there], second[there], options)
        elif kind == "easting" or options.crs is not None:
            flat[there] = scene_from_grid(first[there], second[there], options)
        else:
            flat[there] = np.stack([first, second], axis=-1)[there]
    except ConfigurationError as error:
        problems.add(0, str(error))
        return flat
    if not np.isfinite(flat[there]).all():
        problems.add(0, "some positions lie outside what the reference system covers")
    elif options.origin is not None and kind != "x" and there.any():
        away = float(np.median(np.hypot(*flat[there].T)))
        if away > FARTHEST:
            problems.add(
                0,
                f"the positions lie {away / 1e3:.0f} km from the origin; check "
                "--origin LATITUDE,LONGITUDE, and "
                + ("which column is the latitude" if kind == "latitude" else "--crs"),
            )
    return flat
