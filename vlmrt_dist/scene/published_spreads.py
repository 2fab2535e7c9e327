"""How far published measurements lie from ITU-R P.2040: prior widths for each class and carrier.

The recommendation gives one curve for a class; specimens of it differ from that curve by their mix,
age and water. The widths here are the root mean square of ln(measured / recommended), so that a
prior about the recommended value holds what was measured:

    width² = (2 · pool² + Σ_sources d²) / (2 + sources)  +  mean over rows of r²

d² is the mean square of ln(measured / recommended) over the points of one source whose frequency is
within a factor of 4 of the carrier, so that a source counts once however many specimens it has;
pool² is the mean over the classes that have measurements, and stands for the rest of a class with
few sources (all of it where there are none). r is ln(row / row used) of every row that the
recommendation gives for the class at the carrier: rows of edition 4 whose ranges overlap above 100
GHz (:mod:`vlmrt_dist.scene.itu`), and the row of edition 1.

Where a source states the loss of a panel at normal incidence, the conductivity is the one at which
a single slab of the recommended permittivity has that loss. A point is taken if the recommended
conductivity would add at least 1 dB to the loss of a slab without any, whatever was measured:
thinner panels (all panes of glass, most plasterboard) tell reflection only. Losses are trusted to 1
dB, so one that is nearer to the lossless slab counts as 1 dB above it, a bound. Oven-dried concrete
is told but not counted, since no wall is.

The sources were read as other programs quote them: Stone, Muqaibel, Rhim and Shakya in the
validation notes of SignalPlan (github.com/NC4321/SignalPlan, docs/MODEL.md) and Stone's rate of
attenuation in LLAMAComm (github.com/mit-ll/LLAMAComm, concrete_norm_atten.m); Zhekov's values at 77
GHz in OpenMATERIAL (github.com/LudwigFriedmann/OpenMATERIAL, issue 10); edition 1 in PyLayers
(github.com/pylayers/pylayers, data/ini/ITU-R-P2040-1-Table3.txt).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vlmrt_dist.errors import MaterialError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.itu import Band

STONE = (
    "W. C. Stone, Electromagnetic Signal Attenuation in Construction Materials, NISTIR 6055, 1997, "
    "tables 4.1 to 4.15"
)
MUQAIBEL = (
    "A. H. Muqaibel, Characterization of Ultra Wideband Communication Channels, PhD thesis, "
    "Virginia Tech, 2003, table 4.3"
)
RHIM = (
    "H. C. Rhim, Nondestructive Evaluation of Concrete Using Wideband Microwave Techniques, PhD "
    "thesis, MIT, 1995, table 3-3 (as slab losses)"
)
SHAKYA = (
    "D. Shakya et al., Wideband Penetration Loss through Building Materials and Partitions at 6.75 "
    "GHz and 16.95 GHz, IEEE GLOBECOM 2024, table II"
)
ZHEKOV = (
    "S. S. Zhekov, O. Franek, G. F. Pedersen, Dielectric Properties of Common Building Materials "
    "for Ultrawideband Propagation Studies, IEEE Antennas and Propagation Magazine 62 (1), 2020"
)
EDITION_1 = "Recommendation ITU-R P.2040-1, 2015, table 3"


class Panel(NamedTuple):
    """A panel whose loss at normal incidence was measured.

    :param state: mix, moisture, build
    :param thickness: [m]; None: losses are those of one metre within the material
    :param points: (frequency [GHz], loss [dB], conductivity [S/m] that explains it)
    :param counted: whether widths follow it
    """

    material: str
    state: str
    source: str
    thickness: float | None
    points: tuple[tuple[float, float, float], ...]
    counted: bool = True


PANELS = (
    Panel(
        "concrete", "8 mixes, the least", STONE, 102e-3,
        ((2.0, 12.6, 0.154), (5.52, 17.9, 0.225), (6.53, 19.4, 0.247)),
    ),
    Panel(
        "concrete", "8 mixes, the most", STONE, 102e-3,
        ((2.0, 18.0, 0.230), (5.52, 26.8, 0.349), (6.53, 28.8, 0.376)),
    ),
    Panel(
        "concrete", "8 mixes, the least", STONE, 203e-3,
        ((2.0, 28.6, 0.189), (5.52, 54.6, 0.368), (6.53, 59.2, 0.400)),
    ),
    Panel(
        "concrete", "8 mixes, the most", STONE, 203e-3,
        ((2.0, 34.9, 0.234), (5.52, 57.2, 0.386), (6.53, 62.4, 0.421)),
    ),
    Panel(
        "concrete", "new, rate of attenuation", STONE, None,
        (
            (1.0, 133.0, 0.195), (2.0, 185.0, 0.265), (3.0, 230.0, 0.327), (4.0, 255.0, 0.361),
            (5.0, 264.0, 0.372),
        ),
    ),
    Panel(
        "concrete", "oven dried", RHIM, 203e-3,
        ((2.44, 2.5, 0.00888), (5.52, 3.6, 0.0185), (6.53, 4.4, 0.0202)), counted=False,
    ),
    Panel(
        "concrete", "air dried", RHIM, 203e-3,
        ((2.44, 1.4, 0.00888), (5.52, 6.6, 0.0374), (6.53, 8.7, 0.0499)),
    ),
    Panel(
        "concrete", "saturated", RHIM, 203e-3,
        ((2.44, 14.0, 0.0861), (5.52, 29.7, 0.195), (6.53, 35.0, 0.231)),
    ),
    Panel(
        "concrete", "wet", RHIM, 203e-3,
        ((2.44, 24.1, 0.157), (5.52, 50.8, 0.341), (6.53, 59.2, 0.400)),
    ),
    Panel(
        "brick", "cored clay brick in mortar", STONE, 90.4e-3,
        ((2.0, 5.4, 0.0546), (5.52, 15.4, 0.193), (6.53, 15.6, 0.195)),
    ),
    Panel("brick", "cored clay brick in mortar", STONE, 178e-3, ((2.0, 7.6, 0.0446),)),
    Panel(
        "brick", "cored clay brick without mortar", MUQAIBEL, 87.147e-3,
        ((2.0, 3.12, 0.0260), (4.0, 5.26, 0.0552), (6.0, 7.40, 0.0911)),
    ),
    Panel(
        "wood", "dry spruce, pine and fir", STONE, 36.95e-3,
        ((5.52, 3.4, 0.0764), (6.53, 3.8, 0.0814)),
    ),
    Panel(
        "wood", "dry spruce, pine and fir", STONE, 75.42e-3,
        ((5.52, 7.7, 0.0858), (6.53, 8.2, 0.0908)),
    ),
    Panel("wood", "door", MUQAIBEL, 44.475e-3, ((4.0, 1.64, 0.0256), (6.0, 2.39, 0.0384))),
    Panel("wood", "fire-rated door", SHAKYA, 45e-3, ((6.75, 5.8, 0.108),)),
    Panel("plasterboard", "board", SHAKYA, 30e-3, ((6.75, 0.6, 0.0325),)),
)  # fmt: skip


class Sample(NamedTuple):
    """A specimen whose complex permittivity was measured.

    :param frequency: [GHz]
    :param relative_permittivity: real part
    :param conductivity: [S/m]
    """

    material: str
    state: str
    source: str
    frequency: float
    relative_permittivity: float
    conductivity: float


SAMPLES = (
    Sample("glass", "window", ZHEKOV, 77.0, 6.293, 1.83),
    Sample("concrete", "large gravel", ZHEKOV, 77.0, 3.836, 1.29),
)
"""n + ik is quoted: 2.51 + 0.085i and 1.96 + 0.077i; ε_r = n² - k², σ = 2 n k · 2πf ε0."""

P2040_1: dict[str, Band] = {
    "concrete": Band(1.0, 100.0, 5.31, 0.0, 0.0326, 0.8095),
    "brick": Band(1.0, 10.0, 3.75, 0.0, 0.038, 0.0),
    "plasterboard": Band(1.0, 100.0, 2.94, 0.0, 0.0116, 0.7076),
    "glass": Band(0.1, 100.0, 6.27, 0.0, 0.0043, 1.1925),
    "ceiling_board": Band(1.0, 100.0, 1.50, 0.0, 0.0005, 1.1634),
}
"""Rows of edition 1 that edition 4 has replaced."""

POOL = 2.0
"""Weight of the mean over the classes, in sources."""

NEAR = 4.0
"""Measurements within this factor of the carrier count for it."""

PERMITTIVITY = 0.15
"""Width of ln ε_r within a class, assumed, since only two specimens whose permittivity was measured
were found; they have the weight of two sources."""

CORRELATION = 0.5
"""Correlation of ln σ and ln ε_r about the recommended values: what is denser or wetter has more of
both. From 14 pairs of one class (see :func:`pairs`) it is 0.7, 95 % interval 0.27 to 0.90, where
floorboard weighs most; across the classes of edition 4, ground and plywood left out, it is 0.51 to
0.55 between 2.4 and 60 GHz. The lower of the two is taken, rounded: a correlation that is too high
would let one of the two be told by the other, one that is too low only costs information."""

REMARKS = {
    "concrete": "moisture and mix decide; from 1 to 6.5 GHz air dried 0.1 to 0.25 times the "
    "recommended conductivity, saturated 0.9 to 1.2, wet 1.7 to 2, NIST's mixes, new, 1.2 to 4.2",
    "brick": "mortar and moisture decide; from 2 to 6.5 GHz without mortar 1.0 to 2.9 times the "
    "recommended conductivity, in mortar 1.7 to 6.2",
    "wood": "moisture, density and grain decide; from 4 to 7 GHz spruce, pine and fir 2.3 to 2.9 "
    "times the recommended conductivity, doors 1.2 to 3",
    "plywood": "below 40 GHz its row is 0.33 S/m at every frequency, 18 times wood's at 3.5 GHz",
    **dict.fromkeys(
        ("very_dry_ground", "medium_dry_ground", "wet_ground"),
        "moisture decides; the three classes of ground are its states",
    ),
}
"""Causes of the spread within a class, for people."""


class Spread(NamedTuple):
    """Prior widths of a class at a carrier.

    :param conductivity: standard deviation of ln σ about the recommended value
    :param relative_permittivity: of ln ε_r
    :param sources: measurements that it follows; none: it is assumed to be the mean of the classes
        that have some
    :param remark: what decides within the class, or an empty text
    """

    conductivity: float
    relative_permittivity: float
    sources: tuple[str, ...]
    remark: str


def spread_of(material: str, frequency: float) -> Spread:
    """Prior widths of a material at a carrier [Hz].

    :param material: a class of ITU-R P.2040, or the name of a material that has numbers of its own,
        of which nothing else is known: it gets the mean of the classes

    >>> found = spread_of("concrete", 3.5e9)
    >>> round(found.conductivity, 2), len(found.sources)
    (0.92, 2)
    """
    try:
        name = itu.material_class(material)
    except MaterialError:
        name = ""
    sigma, epsilon = _by_source(name, frequency)
    rows = list(_rows(name, frequency)) or [(0.0, 0.0)]
    sigma_pool, epsilon_pool = _pool()
    within = (POOL * sigma_pool + sum(sigma.values())) / (POOL + len(sigma))
    within_epsilon = (POOL * epsilon_pool + sum(epsilon.values())) / (POOL + len(epsilon))
    between = np.mean(np.square(rows), axis=0)
    return Spread(
        float(np.sqrt(within + between[0])),
        float(np.sqrt(within_epsilon + between[1])),
        tuple(sorted({*sigma, *epsilon})),
        REMARKS.get(name, ""),
    )


def pairs() -> list[tuple[str, float, float]]:
    """Pairs (class, ln σ ratio, ln ε_r ratio) to the recommended row: the specimens whose
    permittivity was measured, rows of edition 1 at 3.5 GHz, and rows of edition 4 whose ranges
    overlap, at the middle of the second one's range."""
    found = []
    for sample in SAMPLES:
        used = itu.rows_at(sample.material, sample.frequency * 1e9)[0]
        found.append((sample.material, *_ratio(_point(sample), used, sample.frequency)))
    for name, old in P2040_1.items():
        found.append((name, *_ratio(old, itu.rows_at(name, 3.5e9)[0], 3.5)))
    for name, rows in itu.P2040_4.items():
        for row in rows[1:]:
            middle = 0.5 * (row.low + row.high)
            used = itu.rows_at(name, middle * 1e9)[0]
            if used is not row:
                found.append((name, *_ratio(row, used, middle)))
    return found


def _by_source(material: str, frequency: float | None) -> tuple[dict[str, float], dict[str, float]]:
    """Mean squares of ln(measured / recommended) by source, of σ and of ε_r.

    :param frequency: carrier [Hz]; None: measurements at every frequency count
    """
    sigma: dict[str, list[float]] = {}
    epsilon: dict[str, list[float]] = {}
    for panel in PANELS:
        if panel.material != material or not panel.counted:
            continue
        for f, _, value in panel.points:
            if _near(f, frequency):
                ratio = np.log(value / itu.conductivity(material, f * 1e9))
                sigma.setdefault(panel.source, []).append(float(ratio) ** 2)
    for sample in SAMPLES:
        if sample.material == material and _near(sample.frequency, frequency):
            used = itu.rows_at(material, sample.frequency * 1e9)[0]
            first, second = _ratio(_point(sample), used, sample.frequency)
            sigma.setdefault(sample.source, []).append(first**2)
            epsilon.setdefault(sample.source, []).append(second**2)
    means = [{s: float(np.mean(v)) for s, v in found.items()} for found in (sigma, epsilon)]
    return means[0], means[1]


@functools.cache
def _pool() -> tuple[float, float]:
    """Mean squares over the classes that have measurements, of σ and of ε_r."""
    classes = {panel.material for panel in PANELS} | {sample.material for sample in SAMPLES}
    found = [_by_source(name, None)[0] for name in sorted(classes)]
    sigma = float(np.mean([np.mean(list(by.values())) for by in found if by]))
    return sigma, PERMITTIVITY**2


def _rows(material: str, frequency: float) -> Iterator[tuple[float, float]]:
    """ln ratios (σ, ε_r) of all rows that the recommendation gives to the one used."""
    if not material:
        return
    rows = list(itu.rows_at(material, frequency))
    if not rows or rows[0].c == 0.0:
        return
    old = P2040_1.get(material)
    if old is not None and old.low <= frequency / 1e9 <= old.high:
        rows.append(old)
    for row in rows:
        yield _ratio(row, rows[0], frequency / 1e9)


def _ratio(row: Band, used: Band, f_ghz: float) -> tuple[float, float]:
    """ln ratios (σ, ε_r) of a row to the one used."""
    sigma = row.c * f_ghz**row.d / (used.c * f_ghz**used.d)
    epsilon = row.a * f_ghz**row.b / (used.a * f_ghz**used.b)
    return float(np.log(sigma)), float(np.log(epsilon))


def _point(sample: Sample) -> Band:
    """A specimen as a row that is valid at its own frequency."""
    f = sample.frequency
    return Band(f, f, sample.relative_permittivity, 0.0, sample.conductivity, 0.0)


def _near(f_ghz: float, frequency: float | None) -> bool:
    return frequency is None or 1.0 / NEAR <= f_ghz * 1e9 / frequency <= NEAR
