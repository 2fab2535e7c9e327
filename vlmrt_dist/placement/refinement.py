"""Local search that moves the antennas of a plan through free space.

A pool holds few of the positions that an antenna could take. The search starts at what was chosen
from it and moves one antenna at a time by normal steps whose size shrinks; a move is made only if
the criterion grows on the exact paths. All proposals for the receivers of a setup are traced
together, and so are those for its transmitter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import AntennaSpace, Campaign, RadioConfig, Region
from vlmrt_dist.errors import CampaignError, NumericalError
from vlmrt_dist.placement.candidates import MOST_ROWS, REACH
from vlmrt_dist.placement.selection import LEAST_GAIN, Criterion
from vlmrt_dist.placement.sensitivities import (
    Design,
    Rows,
    compact,
    dense,
    link_rows,
    of_conductivities,
)
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel

ROUNDS = 16
"""Rounds of the search, each of which moves every antenna once at most."""

PROPOSALS = 8
"""Positions that are tried for an antenna in a round; with the rounds, this bounds the work."""

FIRST_STEP, LAST_STEP = 1.0, 0.02
"""Standard deviation of a step in the first and in the last round [m]; a wavelength is 0.1 m."""


@dataclass(frozen=True, eq=False)
class PlanCriterion:
    """The criterion of a plan, evaluated on the exact paths of its positions.

    :param criterion: "D" or "A"
    :param radio: radio configuration of the measurement
    :param draws: [B, K] conductivities [S/m]; the criterion is averaged over them
    :param free: [K] objects whose materials are unknown
    :param design: what is measured, and unknown before
    :param weight: [K] of the objects' variances (A-optimal); None: all 1
    """

    criterion: Criterion
    radio: RadioConfig
    draws: FloatArray
    free: BoolArray
    design: Design
    weight: FloatArray | None = None

    @property
    def per_link(self) -> int:
        """r, rows of each link."""
        return 1 if self.design.levels_only else MOST_ROWS

    def rows(self, scene: SceneModel, campaign: Campaign) -> tuple[BoolArray, list[Rows]]:
        """Which links [M, N] are heard, and for each draw the sensitivities [M · N · r, Y] in units
        of noise and prior."""
        from vlmrt_dist.field import trace  # imports Dr.Jit

        radio = self.radio.replace(path_set="exact")
        table = trace(scene, campaign, radio, cache=False)
        unknown = self.design.repeated(self.free)
        found = link_rows(
            scene, campaign, radio, table, self.draws, self.design, unknown, most=self.per_link
        )
        width = self.design.widths(len(self.free)) / self.design.noise
        rows = found.padded(self.per_link).scaled(np.where(unknown, width, 0.0))
        return found.heard, compact(rows)

    def value(self, rows: list[Rows]) -> float:
        """The criterion of rows [n, Y] for each draw: ln det of the information beyond the
        prior's, or the decrease of the weighted sum of variances."""
        total = 0.0
        for links in rows:
            gram = np.eye(links.shape[0]) + dense(links @ links.T)
            if self.criterion == "D":
                total += float(np.linalg.slogdet(gram)[1])
            else:
                heavy = self._weighted(links)
                total += float(np.trace(np.linalg.solve(gram, dense(heavy @ heavy.T))))
        return total / len(rows)

    def _weighted(self, links: Rows) -> Rows:
        width = self.design.widths(len(self.free))
        of_objects = np.ones(len(self.free)) if self.weight is None else self.weight
        weight = width * of_conductivities(of_objects, len(width))
        return links * weight if isinstance(links, np.ndarray) else links @ sp.diags(weight)


def refined(
    scene: SceneModel,
    planned: Campaign,
    judged: PlanCriterion,
    region: Region,
    *,
    seed: int,
    rounds: int = ROUNDS,
    progress: Progress | None = None,
) -> Campaign:
    """``planned`` after a local search; its criterion is never less.

    :param planned: M setups of N receivers each
    :param judged: criterion that is maximised
    :param region: where antennas may stand; receivers stay within
        :data:`~vlmrt_dist.placement.candidates.REACH` of their transmitter
    :param seed: of the steps
    :param rounds: rounds of the search
    :param progress: called as "refine", round by round
    """
    search = _Search(scene, planned, judged, region, np.random.default_rng([seed, 5]))
    for done, step in enumerate(np.geomspace(FIRST_STEP, LAST_STEP, rounds), 1):
        for m in range(planned.num_setups):
            search.move_transmitter(m, float(step))
            search.move_receivers(m, float(step))
        if progress is not None:
            progress("refine", done, rounds)
    return Campaign(tx=search.tx, rx=search.rx)


class _Search:
    """Positions as they are, and the sensitivities of their links."""

    def __init__(
        self,
        scene: SceneModel,
        planned: Campaign,
        judged: PlanCriterion,
        region: Region,
        rng: np.random.Generator,
    ) -> None:
        self.tx, self.rx = planned.tx.copy(), planned.rx.copy()
        self._scene, self._judged, self._region, self._rng = scene, judged, region, rng
        self._space = AntennaSpace(scene, region)
        self._per_link = judged.per_link
        self._rows = judged.rows(scene, planned)[1]
        self._value = judged.value(self._rows)

    def move_transmitter(self, setup: int, step: float) -> None:
        """Move the transmitter of a setup to the best of its proposals, if one is better."""
        places = self._proposed(self.tx[setup], step, transmitter=True)
        places = places[[self._in_reach(p, self.rx[setup]).all() for p in places]]
        if len(places) == 0:
            return
        count = self.rx.shape[1]
        traced = self._traced(Campaign(tx=places, rx=np.stack([self.rx[setup]] * len(places))))
        if traced is None:
            return
        heard, rows = traced
        replaced = self._rows_of(setup * count, count)
        for p in np.flatnonzero(heard.all(1)):
            links = self._rows_of(int(p) * count, count)
            if self._accept(replaced, [r[links] for r in rows]):
                self.tx[setup] = places[p]

    def move_receivers(self, setup: int, step: float) -> None:
        """Move each receiver of a setup to the best of its proposals, if one is better."""
        count = self.rx.shape[1]
        each = [self._proposed(self.rx[setup, n], step) for n in range(count)]
        places = np.concatenate(each)
        owner = np.repeat(np.arange(count), [len(e) for e in each])
        near = self._in_reach(self.tx[setup], places)
        places, owner = places[near], owner[near]
        if len(places) == 0:
            return
        traced = self._traced(Campaign(tx=self.tx[setup][None], rx=places[None]))
        if traced is None:
            return
        heard, rows = traced
        for p in np.flatnonzero(heard[0]):
            replaced = self._rows_of(setup * count + int(owner[p]), 1)
            if self._accept(replaced, [r[self._rows_of(int(p), 1)] for r in rows]):
                self.rx[setup, owner[p]] = places[p]

    def _rows_of(self, first: int, count: int) -> slice:
        """Rows of ``count`` links from ``first`` on."""
        return slice(first * self._per_link, (first + count) * self._per_link)

    def _traced(self, campaign: Campaign) -> tuple[BoolArray, list[Rows]] | None:
        """The links of proposals; None where a path grazes a face or antennas coincide, so that
        none of them is tried."""
        try:
            return self._judged.rows(self._scene, campaign)
        except (CampaignError, NumericalError):
            return None

    def _proposed(self, place: FloatArray, step: float, *, transmitter: bool = False) -> FloatArray:
        moved = place + step * self._rng.standard_normal((PROPOSALS, 3))
        points, allowed = self._space.settled(moved, transmitter=transmitter)
        return points[allowed]

    @staticmethod
    def _in_reach(tx: FloatArray, rx: FloatArray) -> BoolArray:
        return np.asarray((np.abs(rx - tx) <= REACH).all(axis=1))

    def _accept(self, replaced: slice, links: list[Rows]) -> bool:
        """Replace rows by those of other positions, if that gains anything."""
        rows = [_replaced(r, replaced, n) for r, n in zip(self._rows, links, strict=True)]
        value = self._judged.value(rows)
        if not value > self._value + LEAST_GAIN * abs(self._value):
            return False
        self._rows, self._value = rows, value
        return True


def _replaced(rows: Rows, where: slice, links: Rows) -> Rows:
    """``rows`` [n, Y] with those at ``where`` replaced by ``links``."""
    parts = [dense(rows[: where.start]), dense(links), dense(rows[where.stop :])]
    return np.concatenate(parts)
