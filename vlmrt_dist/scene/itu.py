"""Electrical properties of building materials: Recommendation ITU-R P.2040.

Both quantities follow section 2.1.4 of the recommendation, with f in GHz:

    relative permittivity = a * f**b,        conductivity [S/m] = c * f**d

Two vintages are kept apart. ``P2040_4`` is edition 4 as Sionna RT 2.2 carries it; everything in
this package is computed from it. ``PAPER_2040`` is the (c, d) table printed in the appendix of
the paper, with the paper's own names and without frequency ranges; it is what a vision-language
model is shown, and ``PAPER_ALIASES`` says which row of edition 4 each of its names stands for.

Rows whose ranges overlap. Above 100 GHz seven classes (plasterboard, wood, glass, ceiling_board,
plywood, marble, floorboard) have two rows for one frequency: one of 100 to 400 GHz, and others of
110 to 330 or within 220 to 450 GHz. They are fits to different measurements; Table 3 states ranges
only, no precedence. The first row in the order of the table counts, for two reasons: Sionna RT does
the same, so that levels computed here and there agree; and its range is narrower than 100 to 400
GHz, so the fit had less to cover. So the row of 100 to 400 GHz is taken only where there is no
other: from 100 to 110 or 220 GHz, and from 330 to 400 GHz. Another engine differs: DiffeRT (source
of August 2026) sorts the ranges by their lower ends and takes the row of 100 to 400 GHz; for brick,
plasterboard, wood, glass, clear_acrylic and ceiling_board it also states other coefficients. The
conductivity of the row of 100 to 400 GHz is 0.08 to 1.74 times the one used (floorboard 0.08 to
0.61, ceiling_board 0.44 to 0.57, plasterboard 0.70 to 0.85, marble 0.92 to 1.74, glass 0.97 to
1.09, plywood 1.17 to 1.23, wood 1.62 to 1.69). :func:`rows_at` gives all rows, and
:mod:`vlmrt_dist.scene.published_spreads` widens the prior by their disagreement.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from vlmrt_dist.errors import FrequencyError, MaterialError


class Band(NamedTuple):
    """One row of the table: valid from ``low`` to ``high`` [GHz], both ends included."""

    low: float
    high: float
    a: float
    b: float
    c: float
    d: float


# Ranges overlap above 100 GHz. The first match counts: the order of the rows is part of the data.
P2040_4: dict[str, tuple[Band, ...]] = {
    "vacuum": (Band(0.001, 100.0, 1.0, 0.0, 0.0, 0.0),),
    "concrete": (
        Band(1.0, 100.0, 5.24, 0.0, 0.0462, 0.7822),
        Band(110.0, 330.0, 5.17, 0.0, 0.0145, 1.09),
    ),
    "brick": (
        Band(1.0, 40.0, 3.91, 0.0, 0.0238, 0.16),
        Band(110.0, 330.0, 4.15, 0.0, 0.0006, 1.5712),
    ),
    "plasterboard": (
        Band(1.0, 100.0, 2.73, 0.0, 0.0085, 0.9395),
        Band(110.0, 330.0, 2.56, 0.0, 0.0001, 1.7799),
        Band(100.0, 400.0, 2.65, 0.0, 0.0002, 1.598),
    ),
    "wood": (
        Band(0.001, 100.0, 1.99, 0.0, 0.0047, 1.0718),
        Band(110.0, 330.0, 1.82, 0.0, 0.004, 1.0761),
        Band(100.0, 400.0, 2.1183, 0.0, 0.0055, 1.1113),
    ),
    "glass": (
        Band(0.1, 100.0, 6.31, 0.0, 0.0036, 1.3394),
        Band(220.0, 450.0, 5.79, 0.0, 0.0004, 1.658),
        Band(100.0, 400.0, 6.5767, 0.0, 0.0012, 1.4697),
    ),
    "clear_acrylic": (Band(110.0, 330.0, 2.58, 0.0, 0.0001, 1.6524),),
    "ceiling_board": (
        Band(1.0, 100.0, 1.48, 0.0, 0.0011, 1.075),
        Band(220.0, 450.0, 1.52, 0.0, 0.0029, 1.029),
        Band(100.0, 400.0, 1.2567, 0.0, 0.00013, 1.454),
    ),
    "chipboard": (
        Band(1.0, 100.0, 2.58, 0.0, 0.0217, 0.78),
        Band(100.0, 200.0, 2.16, 0.0, 0.0023, 1.359),
    ),
    "plywood": (
        Band(1.0, 40.0, 2.71, 0.0, 0.33, 0.0),
        Band(110.0, 330.0, 1.94, 0.0, 0.0067, 0.9982),
        Band(100.0, 400.0, 2.17, 0.0, 0.0063, 1.045),
    ),
    "marble": (
        Band(1.0, 60.0, 7.074, 0.0, 0.0055, 0.9262),
        Band(110.0, 330.0, 7.94, 0.0, 0.0001, 1.733),
        Band(100.0, 400.0, 8.62, 0.0, 0.0027, 1.15),
    ),
    "floorboard": (
        Band(50.0, 100.0, 3.66, 0.0, 0.0044, 1.3515),
        Band(220.0, 300.0, 5.27, 0.0, 2.22e-17, 7.3413),
        Band(300.0, 400.0, 5.27, 0.0, 0.0003, 2.0298),
        Band(400.0, 450.0, 5.27, 0.0, 49.8726, 0.0),
        Band(100.0, 400.0, 3.1575, 0.0, 0.001675, 1.32775),
    ),
    "vinyl_tile": (Band(1.0, 40.0, 3.62, 0.0, 0.0051, 0.8422),),
    "carpet_tile": (Band(1.0, 40.0, 2.08, 0.0, 0.0009, 0.82),),
    "asphalt_concrete": (Band(1.0, 40.0, 4.83, 0.0, 0.0108, 1.3969),),
    "metal": (Band(1.0, 100.0, 1.0, 0.0, 1e7, 0.0),),
    "very_dry_ground": (Band(1.0, 10.0, 3.0, 0.0, 0.00015, 2.52),),
    "medium_dry_ground": (Band(1.0, 10.0, 15.0, -0.1, 0.035, 1.63),),
    "wet_ground": (Band(1.0, 10.0, 30.0, -0.4, 0.15, 1.3),),
}
"""Edition 4 of the recommendation (its Table 3), one or more bands a material."""

MATERIALS: tuple[str, ...] = tuple(P2040_4)
"""The closed list of material classes; every name that this package accepts resolves to one."""

PAPER_2040: dict[str, tuple[float, float]] = {
    "Vacuum": (0.0, 0.0),
    "Concrete": (0.0462, 0.7822),
    "Brick": (0.0238, 0.16),
    "Plasterboard": (0.0085, 0.9395),
    "Wood": (0.0047, 1.0718),
    "Glass_low_freq": (0.0036, 1.3394),
    "Glass_high_freq": (0.0004, 1.658),
    "Ceiling_board_low_freq": (0.0011, 1.075),
    "Ceiling_board_high_freq": (0.0029, 1.029),
    "Chipboard": (0.0217, 0.78),
    "Plywood": (0.33, 0.0),
    "Marble": (0.0055, 0.9262),
    "Floorboard": (0.0044, 1.3515),
    "Metal": (1e7, 0.0),
    "Very_dry_ground": (0.00015, 2.52),
    "Medium_dry_ground": (0.035, 1.63),
    "Wet_ground": (0.15, 1.3),
}
"""(c, d) of the paper's Prompt 1, names as printed there."""

PAPER_ALIASES: dict[str, tuple[str, int]] = {
    name: (name.lower().removesuffix("_low_freq").removesuffix("_high_freq"), index)
    for name, index in {
        **dict.fromkeys(PAPER_2040, 0),
        "Glass_high_freq": 1,
        "Ceiling_board_high_freq": 1,
    }.items()
}
"""Paper's name -> (material class, which band of ``P2040_4`` carries the same c and d)."""

_ALIASES_BY_LOWER = {name.lower(): alias for name, alias in PAPER_ALIASES.items()}


def material_class(text: str) -> str:
    """The material class that ``text`` names.

    Upper and lower case are the same; the prefixes ``mat-`` and ``itu_`` (or ``itu-``) of Sionna's
    scene files are dropped, and the paper's names are known. Nothing is guessed beyond that.

    :raises MaterialError: for any other text; the message lists the names

    >>> material_class("mat-itu_Concrete"), material_class("Glass_low_freq")
    ('concrete', 'glass')
    """
    return _resolve(text)[0]


def conductivity(name: str, frequency: float) -> float:
    """Conductivity [S/m] of a material at ``frequency`` [Hz]: c * f_GHz**d.

    One of the paper's names that says which band it means (``Glass_high_freq``) is evaluated in
    that band only.

    :raises MaterialError: if the name is not one of the closed list
    :raises FrequencyError: if the frequency is outside the material's ranges

    >>> round(conductivity("brick", 3.5e9), 5)
    0.02908
    """
    band = _band(name, frequency)
    return float(band.c * (frequency / 1e9) ** band.d)


def relative_permittivity(name: str, frequency: float) -> float:
    """Real part of the relative permittivity at ``frequency`` [Hz]: a * f_GHz**b.

    :raises MaterialError: if the name is not one of the closed list
    :raises FrequencyError: if the frequency is outside the material's ranges

    >>> relative_permittivity("concrete", 3.5e9)
    5.24
    """
    band = _band(name, frequency)
    return float(band.a * (frequency / 1e9) ** band.b)


@functools.lru_cache(maxsize=1024)
def rows_at(name: str, frequency: float) -> tuple[Band, ...]:
    """The rows of a material that hold a frequency [Hz]; the first one is used.

    :raises MaterialError: if the name is not one of the closed list
    :return: empty where the material is not tabulated

    >>> [(row.low, row.high) for row in rows_at("wood", 140e9)]
    [(110.0, 330.0), (100.0, 400.0)]
    """
    f_ghz = frequency / 1e9
    return tuple(band for band in _resolve(name)[1] if band.low <= f_ghz <= band.high)


def nearest_row(name: str, frequency: float) -> Band:
    """The row of a material that holds a frequency [Hz], or whose range is nearest to it by ratio.

    :raises MaterialError: if the name is not one of the closed list

    >>> nearest_row("brick", 0.5e9).low, nearest_row("glass", 450e9).low
    (1.0, 220.0)
    """
    f_ghz = frequency / 1e9
    return min(_resolve(name)[1], key=lambda row: max(row.low / f_ghz, f_ghz / row.high, 1.0))


def is_tabulated(name: str, frequency: float) -> bool:
    """Whether a material has values at ``frequency`` [Hz].

    :raises MaterialError: if the name is not one of the closed list
    """
    return bool(rows_at(name, frequency))


def conductivity_table(frequency: float) -> dict[str, tuple[float, float]]:
    """(c, d) of every material class that is tabulated at ``frequency`` [Hz], in table order.

    The table that an advisor is shown, with the names that its answer may use.

    >>> "floorboard" in conductivity_table(3.5e9), conductivity_table(3.5e9)["wood"]
    (False, (0.0047, 1.0718))
    """
    bands = {name: _band(name, frequency) for name in MATERIALS if is_tabulated(name, frequency)}
    return {name: (band.c, band.d) for name, band in bands.items()}


def _resolve(text: str) -> tuple[str, tuple[Band, ...]]:
    """The material class and the bands that a name stands for."""
    name = text.strip().lower().removeprefix("mat-")
    name = name.removeprefix("itu_").removeprefix("itu-")
    if name in P2040_4:
        return name, P2040_4[name]
    if name in _ALIASES_BY_LOWER:
        material, index = _ALIASES_BY_LOWER[name]
        return material, (P2040_4[material][index],)
    raise MaterialError(
        f"unknown material {_quoted(text)}; use one of the ITU-R P.2040 names: "
        + ", ".join(MATERIALS)
    )


def _band(name: str, frequency: float) -> Band:
    rows = rows_at(name, frequency)
    if rows:
        return rows[0]
    material, bands = _resolve(name)
    ranges = ", ".join(f"{band.low:g} to {band.high:g} GHz" for band in bands)
    raise FrequencyError(
        f"ITU-R P.2040 has no values for {material} at {frequency / 1e9:g} GHz; it is tabulated "
        f"for {ranges}. Choose a frequency there, or give the material explicit numbers."
    )


def _quoted(text: str) -> str:
    """Untrusted text for a message: cut short, with control characters escaped."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
