"""Links of a scene whose materials are known: their powers and observables, with errors."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import (
    Campaign,
    DelayPower,
    FrequencyResponse,
    Observable,
    ObservablePlan,
    PlannedBins,
    PlannedResponse,
    RadioConfig,
    carriers_of,
)
from vlmrt_dist.field.materials import Materials, Parameter
from vlmrt_dist.field.objective import LinkOffsets, Observed
from vlmrt_dist.paths import PathTable
from vlmrt_dist.scene import SceneModel

if TYPE_CHECKING:
    from vlmrt_dist.field.observables import ObservableReplay

MOST_TIMING = 0.5
"""Unknown timings lie within this share of the delay over which subcarriers tell them apart."""


class TrueLinks:
    """The links of a campaign at true materials.

    :param truth: [K] conductivities at the radio's carrier [S/m]
    :param table: the paths of the campaign; None: they are traced
    """

    def __init__(
        self,
        scene: SceneModel,
        campaign: Campaign,
        truth: FloatArray,
        radio: RadioConfig,
        table: PathTable | None = None,
    ) -> None:
        from vlmrt_dist.field.replays import replay_of  # imports Dr.Jit
        from vlmrt_dist.field.tracing import trace

        self._campaign = campaign
        self._scene = scene
        self._table = trace(scene, campaign, radio) if table is None else table
        self._carriers = carriers_of(scene, campaign, radio)
        self._replays = [
            replay_of(
                scene,
                campaign.subset(carrier.setups.tolist()),
                carrier.radio,
                self._table.setups(carrier.setups.tolist()),
            )
            for carrier in self._carriers
        ]
        self.materials = self._materials_of(truth)

    def _materials_of(self, truth: FloatArray) -> dict[float, Materials]:
        thickness = self._scene.thickness
        return {
            c.radio.frequency: Materials(truth * c.scale, c.relative_permittivity, thickness)
            for c in self._carriers
        }

    def at(self, truth: FloatArray) -> TrueLinks:
        """The same links at other conductivities [K]; what was computed of the paths is shared."""
        other = copy.copy(self)
        other.materials = self._materials_of(truth)
        return other

    def rss(self) -> FloatArray:
        """Received powers [M,N] [W], zero where no path arrives."""
        rss = np.zeros(self._campaign.present.shape)
        for carrier, replay in zip(self._carriers, self._replays, strict=True):
            here = self.materials[carrier.radio.frequency]
            rss[carrier.setups] = replay.rss(here)[0]
        return rss

    def observed(
        self, plans: Sequence[ObservablePlan], gain_db: float, delay_ns: float, seed: int
    ) -> list[Observable]:
        """The observables of all links as they would be measured.

        :param gain_db: standard deviation of an error that all powers of a setup share [dB]
        :param delay_ns: standard deviation of an error that all delays of a link share [ns]
        :param seed: of all errors; that of the gain is the one of the levels
        """
        shape = self._campaign.present.shape
        gain = gain_db * np.random.default_rng((seed, 2)).standard_normal((shape[0], 1))
        late = delay_ns * np.random.default_rng((seed, 6)).standard_normal(shape)
        both = np.broadcast_to(gain, shape).reshape(1, -1), late.reshape(1, -1)
        offsets = LinkOffsets(both[1], np.array(both[0]))
        found = []
        for number, plan in enumerate(plans):
            rng = np.random.default_rng((seed, 7, number))
            found.append(self._measured(plan, offsets, rng))
        return found

    def _measured(
        self, plan: ObservablePlan, offsets: LinkOffsets, rng: np.random.Generator
    ) -> Observable:
        block, value, noise = self._planned(plan, offsets)
        if isinstance(block, FrequencyResponse):
            value = _turned(block, value, rng)
        value = value + noise * rng.standard_normal(len(value))
        if isinstance(block, DelayPower):
            below = value < block.floor_dbm
            value = np.where(below, block.floor_dbm, value)
            return dataclasses.replace(block, power_dbm=value, below=below)
        return _where_finite(block, value, noise)

    def _planned(
        self, plan: ObservablePlan, offsets: LinkOffsets
    ) -> tuple[Observable, FloatArray, FloatArray]:
        """A block of all links, its values without noise [R], and their noise [R]."""
        block = plan.on(self._campaign)
        value = self._value(block, offsets)
        if isinstance(plan, PlannedBins) and isinstance(block, DelayPower):
            block = dataclasses.replace(block, floor_dbm=_floor(block, value, plan.range_db))
            value = self._value(block, offsets)
        noise = block.noise
        if isinstance(plan, PlannedResponse) and isinstance(block, FrequencyResponse):
            noise = np.repeat(_noise_of_parts(block, value, plan.noise), 2)
        return block, value, noise

    def expected(
        self, plans: Sequence[ObservablePlan], wanted: Sequence[Parameter]
    ) -> tuple[list[Observable], Observed]:
        """The observables of all links without errors, and the derivatives of their rows.

        Rows that no path contributes to are left out. Bins below the floor are kept: there the
        noise in the bin makes the derivative small.

        :param wanted: parameters to differentiate by
        """
        none = np.zeros((1, self._campaign.present.size))
        offsets = LinkOffsets(none, none)
        found = [_where_finite(*self._planned(plan, offsets)) for plan in plans]
        return found, self._model(found)(self.materials, wanted, offsets)

    def _value(self, block: Observable, offsets: LinkOffsets) -> FloatArray:
        """[R] values without noise."""
        return np.asarray(self._model([block])(self.materials, (), offsets).value[0])

    def _model(self, blocks: Sequence[Observable]) -> ObservableReplay:
        from vlmrt_dist.field.observables import ObservableReplay

        campaign = _without_levels(self._campaign, tuple(blocks))
        return ObservableReplay(campaign, self._table, self._carriers, self._replays)


def _where_finite(block: Observable, value: FloatArray, noise: FloatArray) -> Observable:
    """The lines of a block that have a value, with values [R] and noise [R]."""
    some: BoolArray = np.isfinite(value)
    lines = some
    if isinstance(block, FrequencyResponse):
        lines = np.asarray(some.reshape(-1, 2).all(axis=1))
        some = np.repeat(lines, 2)
    kept: Observable = block.take(lines)
    return kept.with_measured(value[some], noise[some])


def _floor(block: DelayPower, value: FloatArray, range_db: float) -> FloatArray:
    """[E] noise in each bin [dBm], so far below the strongest bin of its link."""
    link = np.unique(np.stack([block.setup, block.receiver]), axis=1, return_inverse=True)[1]
    link = link.reshape(-1)
    strongest = np.full(int(link.max(initial=0)) + 1, -np.inf)
    np.maximum.at(strongest, link, value)
    floor = strongest[link] - range_db
    return np.where(np.isfinite(floor), floor, np.nan)


def _noise_of_parts(block: FrequencyResponse, value: FloatArray, ratio_db: float) -> FloatArray:
    """[E] standard deviation of real and imaginary part at a signal-to-noise ratio."""
    power = (value.reshape(-1, 2) ** 2).sum(axis=1)
    group = block.group
    mean = np.bincount(group, power) / np.bincount(group)
    return np.sqrt(0.5 * mean[group] * 10.0 ** (-ratio_db / 10.0))


def _turned(block: FrequencyResponse, value: FloatArray, rng: np.random.Generator) -> FloatArray:
    """[R] the response with a random phase and timing of each snapshot, where they are unknown."""
    count = int(block.group.max(initial=-1)) + 1
    angle = rng.uniform(0.0, 2.0 * np.pi, count)[block.group] * (block.phase == "unknown")
    if block.timing == "unknown":
        spacing = np.diff(np.unique(block.frequency_hz)).min(initial=np.inf)
        most = 0.5 * MOST_TIMING / spacing
        angle -= 2.0 * np.pi * block.frequency_hz * rng.uniform(-most, most, count)[block.group]
    turned = np.ascontiguousarray(value).view(np.complex128) * np.exp(1j * angle)
    return np.ascontiguousarray(turned).view(np.float64)


def with_observables(
    campaign: Campaign, kept: IntArray, blocks: Sequence[Observable], *, power: bool
) -> Campaign:
    """A simulated campaign with its observables.

    :param kept: setups of the simulation that the campaign has
    :param blocks: of all links of the simulation
    :param power: False: its levels are taken out
    """
    own = []
    for block in blocks:
        of_kept = block.of_setups(kept)
        own.append(of_kept.take(campaign.present[of_kept.setup, of_kept.receiver]))
    if power:
        return dataclasses.replace(campaign, observables=tuple(own))
    return _without_levels(campaign, tuple(own))


def _without_levels(campaign: Campaign, blocks: tuple[Observable, ...]) -> Campaign:
    none = np.zeros(campaign.present.shape, bool)
    return dataclasses.replace(
        campaign, rss_dbm=None, censored=none, saturated=none, observables=blocks
    )
