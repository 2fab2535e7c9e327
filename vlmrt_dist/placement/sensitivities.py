"""Sensitivities of what is measured of links to the materials, before anything is measured.

A link gives a row for each value that is measured of it: its level, powers in delay bins, parts of
a frequency response. Rows of levels alone are in decibels, and are divided by the noise where they
are used, since noise is a choice of whoever plans. Where other values are measured too, each row is
in units of its own noise from the start; a link's rows are then turned by an orthogonal matrix,
which leaves their information as it is, so that the first few hold nearly all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, ObservablePlan, RadioConfig, parse_observables
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import SLAB, Parameter
from vlmrt_dist.inference import KINDS, MIN_NOISE_DB
from vlmrt_dist.scene import SceneModel

if TYPE_CHECKING:
    from vlmrt_dist.paths import PathTable

Rows: TypeAlias = "sp.csr_matrix | FloatArray"
"""Sensitivities [n, Y] of links, sparse or not."""

DENSE_NUMBERS = 4_000_000
"""Most numbers of sensitivities that are held as ordinary arrays (32 MB): in a room a sparse matrix
product takes far longer to set up than to compute."""


def names_of(option: str, names: Iterable[str]) -> tuple[str, ...]:
    """Several names as a tuple.

    :raises ConfigurationError: if they are one text
    """
    if isinstance(names, str):
        raise ConfigurationError(f"{option} takes several names, as in ({names!r},)")
    return tuple(names)


@dataclass(frozen=True, eq=False, kw_only=True)
class Design:
    """What a plan assumes: what is measured of each link, and what is unknown before.

    :param noise_db: standard deviation of each level [dB]; at least 0.001 is taken
    :param prior_width: standard deviation of ln σ before the measurement, one or [K]
    :param fixed: names of objects whose materials are known
    :param observables: as in "power" or "power,delay:10ns@2db", see
        :func:`~vlmrt_dist.campaign.parse_observables`
    :param quantities: unknown parameters of the objects: conductivity, and perhaps
        relative_permittivity and thickness; Y = K times their number are the unknowns. Positions
        are chosen for the conductivities; the others are in their way
    :raises ConfigurationError: if a word is no observable, the noise is negative or not finite, or
        the quantities are not these
    """

    noise_db: float = 0.1
    prior_width: float | FloatArray = 0.5
    fixed: tuple[str, ...] = ()
    observables: str = "power"
    quantities: tuple[str, ...] = ("conductivity",)

    def __post_init__(self) -> None:
        if not 0.0 <= self.noise_db < np.inf:
            raise ConfigurationError("noise_db must be a finite number, not negative [dB]")
        object.__setattr__(self, "fixed", names_of("fixed", self.fixed))
        object.__setattr__(self, "quantities", names_of("quantities", self.quantities))
        quantities = self.quantities
        known = set(quantities) <= set(SLAB) and len(set(quantities)) == len(quantities)
        if not known or "conductivity" not in quantities:
            raise ConfigurationError(
                "a plan is made for the conductivity, and beside it relative_permittivity and "
                f"thickness may be unknown; got {', '.join(quantities) or 'nothing'}"
            )
        parse_observables(self.observables)  # refuse words that are none

    @property
    def plans(self) -> tuple[bool, tuple[ObservablePlan, ...]]:
        """Whether levels are measured, and the observables beside them."""
        return parse_observables(self.observables)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The quantities as parameters of slabs, in their order."""
        return tuple(name for name in SLAB if name in self.quantities)

    @property
    def levels_only(self) -> bool:
        """Whether nothing but levels is measured, and nothing but conductivities unknown."""
        return self.plans == (True, ()) and self.quantities == ("conductivity",)

    @property
    def noise(self) -> float:
        """Noise of a row in the unit of the row: rows of levels alone are in decibels."""
        return max(self.noise_db, MIN_NOISE_DB) if self.levels_only else 1.0

    def widths(self, num_objects: int) -> FloatArray:
        """[Y] prior standard deviations of the logarithms of all unknowns."""
        own = np.broadcast_to(self.prior_width, (num_objects,)).astype(np.float64)
        more = [np.full(num_objects, KINDS[q].width) for q in self.parameters[1:]]
        return np.concatenate([own, *more])

    def repeated(self, of_objects: BoolArray) -> BoolArray:
        """[Y] what holds of objects [K], of all their unknowns."""
        return np.tile(of_objects, len(self.quantities))


LEVELS = Design()
"""Levels alone, at the defaults of plans."""


@dataclass(frozen=True, eq=False)
class LinkRows:
    """Sensitivities of the links of M setups with N receivers at B draws of the conductivities.

    :param heard: [M, N] links that a path joins at all draws
    :param rows: for each draw [M · N · r, Y]; link l has the rows from l · r on
    :param per_link: r
    :param num_values: measured values of all links, a complex one counting as two
    """

    heard: BoolArray
    rows: list[sp.csr_matrix]
    per_link: int
    num_values: int

    def padded(self, per_link: int) -> LinkRows:
        """The same with rows of zeros behind each link's, so that it has ``per_link``."""
        if per_link == self.per_link:
            return self
        links, old = self.heard.size, self.heard.size * self.per_link
        place = (np.arange(links)[:, None] * per_link + np.arange(self.per_link)).ravel()
        shape = links * per_link, old
        spread = sp.csr_matrix((np.ones(old), (place, np.arange(old))), shape)
        rows = [(spread @ each).tocsr() for each in self.rows]
        return LinkRows(self.heard, rows, per_link, self.num_values)

    def scaled(self, columns: FloatArray | BoolArray) -> tuple[sp.csr_matrix, ...]:
        """The rows of each draw with their columns multiplied by [Y]."""
        scale = sp.diags(columns.astype(np.float64))
        return tuple((each @ scale).tocsr() for each in self.rows)


def link_rows(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    table: PathTable,
    draws: FloatArray,
    design: Design,
    unknown: BoolArray,
    *,
    most: int | None = None,
) -> LinkRows:
    """Sensitivities of the links of a campaign.

    :param table: its paths
    :param draws: [B, K] conductivities [S/m]
    :param unknown: [Y] columns that are not known
    :param most: most rows that a link keeps, where there are several; None: as many as hold all
    """
    if design.levels_only:
        heard, jacobians = link_jacobians(scene, campaign, radio, table, draws)
        return LinkRows(heard, jacobians, 1, int(heard.sum()))
    width = np.where(unknown, design.widths(scene.num_objects), 0.0)
    heard, num_values = campaign.present.copy(), 0
    found: list[list[tuple[FloatArray, IntArray]]] = [[] for _ in draws]
    for m in range(campaign.num_setups):  # setup by setup: all rows together would be large
        part = _Setup(scene, campaign.subset([m]), radio, table.setups([m]), design)
        for b, theta in enumerate(draws):
            level, rows, receiver = part.rows(theta)
            heard[m] &= level
            num_values += len(rows) if b == 0 else 0
            found[b].append(_strongest(rows, receiver, campaign.num_receivers, width, most))
    size = max(len(own[0]) for each in found for own, _ in each)
    per_link = max(1, size if most is None else min(most, size))
    stacked = [_stacked(each, per_link, len(width)) for each in found]
    return LinkRows(heard, stacked, per_link, num_values)


class _Setup:
    """The links of one setup, and what is expected to be measured of them."""

    def __init__(
        self,
        scene: SceneModel,
        setup: Campaign,
        radio: RadioConfig,
        table: PathTable,
        design: Design,
    ) -> None:
        from vlmrt_dist.field import ReplayObjective, TrueLinks  # these import Dr.Jit

        blank = setup.with_rss(np.where(setup.present, 0.0, np.nan))
        self._objective = ReplayObjective(scene, blank, radio, table)
        self._links = TrueLinks(scene, setup, scene.conductivity(radio.frequency), radio, table)
        self._noise, self._wanted = max(design.noise_db, MIN_NOISE_DB), design.parameters
        (self._with_level, self._plans), self._objects = design.plans, scene.num_objects

    def rows(self, theta: FloatArray) -> tuple[BoolArray, FloatArray, IntArray]:
        """Receivers [N] that a path reaches; sensitivities [R, Y] in units of the noise, and
        the receiver of each [R].

        :param theta: [K] conductivities [S/m]
        """
        links = self._links.at(theta)
        levels = self._objective.levels(links.materials, self._wanted)
        heard = np.nan_to_num(levels.rss[0]) > 0.0
        rows = [np.zeros((0, self._objects * len(self._wanted)))]
        receiver = [np.zeros(0, np.int64)]
        if self._with_level:
            by = [levels.by[q].toarray()[heard] / self._noise for q in self._wanted]
            rows.append(np.concatenate(by, axis=1))
            receiver.append(np.flatnonzero(heard))
        if self._plans:
            blocks, found = links.expected(self._plans, self._wanted)
            noise = np.concatenate([block.noise for block in blocks])
            by = [found.by[q][0, :, : self._objects] / noise[:, None] for q in self._wanted]
            rows.append(np.concatenate(by, axis=1))
            receiver += [block.row_receiver for block in blocks]
        return heard, np.concatenate(rows), np.concatenate(receiver)


def _strongest(
    rows: FloatArray, receiver: IntArray, count: int, width: FloatArray, most: int | None
) -> tuple[FloatArray, IntArray]:
    """Rows of each receiver that hold the information of all of its rows, in falling order.

    :param rows: [R, Y] sensitivities in units of the noise
    :param receiver: [R] that each belongs to
    :param count: N
    :return: [N, r, Y'] with zeros below, and the Y' columns that are not zero
    """
    seen = np.flatnonzero((width > 0.0) & np.abs(rows).any(axis=0))
    order = np.argsort(receiver, kind="stable")
    sizes = np.bincount(receiver, minlength=count)
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    every = np.zeros((count, int(sizes.max(initial=0)), len(seen)))
    every[receiver[order], place] = rows[order][:, seen] * width[seen]
    _, size, basis = np.linalg.svd(every, full_matrices=False)
    some = slice(None, most)
    return size[:, some, None] * basis[:, some] / width[seen], seen


def _stacked(
    setups: Sequence[tuple[FloatArray, IntArray]], per_link: int, num_unknowns: int
) -> sp.csr_matrix:
    """[M · N · r, Y] rows of all setups, as of :func:`_strongest`."""
    parts = []
    for own, seen in setups:
        kept = np.zeros((len(own), per_link, len(seen)))
        some = own[:, :per_link]
        kept[:, : some.shape[1]] = some
        few = sp.csr_matrix(kept.reshape(-1, len(seen)))
        shape = len(own) * per_link, num_unknowns
        parts.append(sp.csr_matrix((few.data, seen[few.indices], few.indptr), shape))
    return sp.vstack(parts, "csr")


def link_jacobians(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    table: PathTable,
    draws: FloatArray,
) -> tuple[BoolArray, list[sp.csr_matrix]]:
    """Which links are heard [M, N], and the derivative [M · N, K] of their levels [dB] by ln σ.

    :param table: the paths of ``campaign``
    :param draws: [B, K] conductivities [S/m]; one derivative for each
    """
    from vlmrt_dist.field import ReplayObjective

    blank = campaign.with_rss(np.where(campaign.present, 0.0, np.nan))
    objective = ReplayObjective(scene, blank, radio, table)
    heard, jacobians = campaign.present.copy(), []
    for theta in draws:
        rss, jacobian = objective.log_jacobian(theta)
        heard &= np.nan_to_num(rss) > 0.0
        jacobians.append(jacobian)
    return heard, jacobians


def of_conductivities(weight: FloatArray, size: int) -> FloatArray:
    """[Y] weights of the conductivities [K], zero for other unknowns."""
    return np.concatenate([weight, np.zeros(size - len(weight))])


def compact(rows: Sequence[sp.csr_matrix]) -> list[Rows]:
    """Sensitivities as ordinary arrays, unless they hold more than :data:`DENSE_NUMBERS`."""
    if sum(r.shape[0] * r.shape[1] for r in rows) > DENSE_NUMBERS:
        return list(rows)
    return [r.toarray() for r in rows]


def dense(rows: Rows) -> FloatArray:
    """Sensitivities as an ordinary array."""
    return rows if isinstance(rows, np.ndarray) else rows.toarray()
