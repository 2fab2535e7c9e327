"""Objectives that evaluate in this process: by replaying stored paths, or by tracing anew."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, Carrier, RadioConfig, carriers_of
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field.materials import Materials, Parameter
from vlmrt_dist.field.moves import MovingPaths
from vlmrt_dist.field.objective import (
    DB,
    Levels,
    LinkOffsets,
    ManyLevels,
    Observed,
    PowerErrors,
    PowerLoss,
    Slopes,
    ValueAndGrad,
    measured_power,
    power_loss,
)
from vlmrt_dist.field.observables import ObservableReplay
from vlmrt_dist.field.replay import Replay
from vlmrt_dist.field.replays import replay_of
from vlmrt_dist.field.walls import refuse_walls
from vlmrt_dist.paths import POSE, AntennaFields, PathTable, Poses
from vlmrt_dist.scene import SceneModel


class ReplayObjective:
    """Evaluates by replaying stored paths.

    :param scene: the scene, for its permittivities and thicknesses
    :param campaign: M setups with their measured levels and carriers
    :param radio: radio configuration; its carrier is the one that conductivities are given at
    :param table: the paths of the campaign
    :param measured: [S, M, N] received powers in watts instead of the campaign's, so that S
        parameter vectors can have S truths
    """

    def __init__(
        self,
        scene: SceneModel,
        campaign: Campaign,
        radio: RadioConfig,
        table: PathTable,
        measured: FloatArray | None = None,
    ) -> None:
        self.num_setups = table.num_setups
        self.num_objects = table.num_objects
        self._thickness = scene.thickness
        self._present = campaign.present
        self._scene, self._campaign, self._table = scene, campaign, table
        self._carriers = carriers_of(scene, campaign, radio)
        self._errors = self._errors_of(measured)
        self._replays = [
            replay_of(scene, self._setups(c), c.radio, self._part(c)) for c in self._carriers
        ]
        self._observables = None
        if campaign.observables:
            self._observables = ObservableReplay(campaign, table, self._carriers, self._replays)
        self._turning: list[tuple[Replay, AntennaFields]] = []
        self._turning_observables: ObservableReplay | None = None
        self._moving: dict[int, MovingPaths] = {}

    def remeasured(self, campaign: Campaign, measured: FloatArray) -> ReplayObjective:
        """The same paths with other levels; what was computed of the paths is shared.

        :param campaign: the same setups; some links may have no level any more
        :param measured: [S, M, N] received powers in watts
        """
        other = copy.copy(self)
        other._campaign, other._present = campaign, campaign.present
        other._errors = other._errors_of(measured)
        return other

    def _errors_of(self, measured: FloatArray | None) -> list[PowerErrors]:
        """Loss of the levels at each carrier."""
        power = measured_power(self._campaign, measured)
        return [PowerErrors(power[:, c.setups]) for c in self._carriers]

    def _part(self, carrier: Carrier) -> PathTable:
        """The paths of the setups at one carrier."""
        if len(self._carriers) == 1:
            return self._table
        return self._table.setups(carrier.setups.tolist())

    def _setups(self, carrier: Carrier) -> Campaign:
        """The setups at one carrier."""
        if len(self._carriers) == 1:
            return self._campaign
        return self._campaign.subset(carrier.setups.tolist())

    def _aimed(self, poses: Poses | None) -> list[Replay]:
        """Replays whose antennas are turned, one a carrier."""
        if poses is None:
            return self._replays
        if not self._turning:
            for carrier, plain in zip(self._carriers, self._replays, strict=True):
                part = self._setups(carrier)
                replay = Replay(
                    plain.table, carrier.radio, plain.walls, turning=True,
                    mechanisms=plain.mechanisms, roughness=plain.roughness,
                )  # fmt: skip
                fields = AntennaFields(self._scene, part, carrier.radio, plain.table)
                self._turning.append((replay, fields))
        found = []
        for i, (carrier, (replay, fields)) in enumerate(
            zip(self._carriers, self._turning, strict=True)
        ):
            own = poses.of_setups(carrier.setups)
            if own.moving:
                replay, fields = self._moved(i, own)
            replay.aim(fields.tx(own), fields.rx(own))
            found.append(replay)
        return found

    def _moved(self, index: int, poses: Poses) -> tuple[Replay, AntennaFields]:
        """The replay of one carrier, and its antennas' fields, where devices have moved."""
        replay, fields = self._turning[index]
        if index not in self._moving:
            part = self._setups(self._carriers[index])
            self._moving[index] = MovingPaths(self._scene, part, replay.table)
        bent = self._moving[index].at(poses)
        return replay.moved(bent), fields.towards(bent.leaving, bent.arriving)

    def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
        """See :meth:`Objective.value_and_grad`."""
        parts = [self._at_carrier(i, theta, loss) for i in range(len(self._carriers))]
        if len(parts) == 1:
            return parts[0]
        count = len(parts[0].loss)
        total = np.zeros((count, self.num_setups))
        gradient = np.zeros((count, self.num_setups, self.num_objects))
        for carrier, part in zip(self._carriers, parts, strict=True):
            total[:, carrier.setups], gradient[:, carrier.setups] = part
        return ValueAndGrad(total, gradient)

    def _at_carrier(self, index: int, theta: FloatArray, loss: PowerLoss) -> ValueAndGrad:
        """Loss and gradient of the setups at one carrier; one vector may meet several truths."""
        carrier, replay = self._carriers[index], self._replays[index]
        derivative = replay.derivative(self._materials(carrier, theta))
        shape = (len(theta), len(carrier.setups), self._present.shape[1])
        value, weight = self._errors[index](derivative.rss.T.reshape(shape), loss)
        scale = None if carrier.at_reference else carrier.scale
        return ValueAndGrad(value, replay.gradient(derivative, weight, scale))

    def rss(self, theta: FloatArray) -> FloatArray:
        """See :meth:`Objective.rss`."""
        rss = np.zeros((len(theta), *self._present.shape))
        for carrier, replay in zip(self._carriers, self._replays, strict=True):
            rss[:, carrier.setups] = replay.rss(self._materials(carrier, theta))
        return np.where(self._present, rss, np.nan)

    def levels(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        poses: Poses | None = None,
    ) -> Levels:
        """See :meth:`Objective.levels`."""
        rss = np.zeros(self._present.shape)
        by_pose = None if poses is None else np.zeros((*self._present.shape, len(POSE)))
        parts: dict[Parameter, list[sp.csr_matrix]] = {name: [] for name in wanted}
        for carrier, replay in zip(self._carriers, self._aimed(poses), strict=True):
            here = materials[carrier.radio.frequency]
            for name, derivative in replay.derivatives(here, wanted).items():
                power = derivative.rss[:, 0]
                per_link = np.divide(DB, power, out=np.zeros_like(power), where=power > 0.0)
                jacobian = replay.jacobian(derivative, name)
                parts[name].append(_scaled(jacobian, per_link, replay.steps(here, name)[0]))
                rss[carrier.setups] = power.reshape(-1, self._present.shape[1])
            if not wanted:
                rss[carrier.setups] = replay.rss(here)[0]
            if by_pose is not None:
                slopes = replay.by_pose(here)
                by_pose[carrier.setups] = slopes.reshape(-1, *by_pose.shape[1:])
        order = np.concatenate([c.setups for c in self._carriers])
        links = np.arange(self._present.size).reshape(self._present.shape)
        back = np.argsort(links[order].ravel())
        by: dict[Parameter, sp.csr_matrix] = {}
        layers: dict[Parameter, sp.csr_matrix] = {}
        for name, blocks in parts.items():
            whole = blocks[0] if len(blocks) == 1 else sp.vstack(blocks, "csr")[back]
            by[name] = whole
            if whole.shape[1] > self.num_objects:
                by[name], layers[name] = whole[:, : self.num_objects], whole[:, self.num_objects :]
        flat = None if by_pose is None else by_pose.reshape(-1, len(POSE))
        return Levels(np.where(self._present, rss, np.nan), by, layers, flat)

    def many_levels(
        self, materials: Mapping[float, Materials], wanted: Sequence[Parameter]
    ) -> ManyLevels:
        """:meth:`levels` of S parameter vectors at once, a fraction of the time of S calls where
        scenes are small.

        :param materials: those at each carrier [Hz] of the campaign, [S, K] each
        :param wanted: parameters to differentiate by
        """
        count = len(next(iter(materials.values())).conductivity)
        rss = np.zeros((count, *self._present.shape))
        parts: dict[Parameter, list[Slopes]] = {name: [] for name in wanted}
        numbers = np.arange(self._present.size).reshape(self._present.shape)
        for carrier, replay in zip(self._carriers, self._replays, strict=True):
            here = materials[carrier.radio.frequency]
            power, slopes = replay.slopes(here, wanted)
            rss[:, carrier.setups] = power.T.reshape(count, -1, self._present.shape[1])
            per_link = np.divide(DB, power, out=np.zeros_like(power), where=power > 0.0)
            for name, (link, slab, value) in slopes.items():
                value *= per_link[link]
                value *= replay.steps(here, name).T[slab]
                parts[name].append(Slopes(numbers[carrier.setups].ravel()[link], slab, value))
        by = {name: Slopes.joined(each) for name, each in parts.items()}
        return ManyLevels(np.where(self._present, rss, np.nan), by)

    def observe(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        offsets: LinkOffsets,
        poses: Poses | None = None,
    ) -> Observed:
        """See :meth:`Objective.observe`."""
        assert self._observables is not None  # whoever asks has a campaign with some
        if poses is None:
            return self._observables(materials, wanted, offsets)
        replays = self._aimed(poses)
        if self._turning_observables is None:
            self._turning_observables = ObservableReplay(
                self._campaign, self._table, self._carriers, replays
            )
        return self._turning_observables(materials, wanted, offsets, turned=True)

    def log_jacobian(self, theta: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        """See :meth:`Objective.log_jacobian`."""
        materials = {c.radio.frequency: self._materials(c, theta) for c in self._carriers}
        levels = self.levels(materials, ("conductivity",))
        return levels.rss, levels.by["conductivity"]

    def _materials(self, carrier: Carrier, theta: FloatArray) -> Materials:
        return Materials(theta * carrier.scale, carrier.relative_permittivity, self._thickness)


def _scaled(matrix: sp.csr_matrix, rows: FloatArray, columns: FloatArray) -> sp.csr_matrix:
    """diag(rows) · matrix · diag(columns)."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    data = matrix.data * rows[row] * columns[matrix.indices]
    return sp.csr_matrix((data, matrix.indices, matrix.indptr), matrix.shape)


class RetraceObjective:
    """Evaluates by solving for the paths anew, as the paper does. Slow; see :mod:`retrace`.

    Parameters as of :class:`ReplayObjective`, without the paths.

    :raises ConfigurationError: if the campaign names other carriers or antennas than ``radio``, or
        objects have layers or extra losses
    """

    def __init__(
        self,
        scene: SceneModel,
        campaign: Campaign,
        radio: RadioConfig,
        measured: FloatArray | None = None,
    ) -> None:
        carriers = carriers_of(scene, campaign, radio)
        if len(carriers) > 1 or carriers[0].radio != radio:
            raise ConfigurationError(
                "the retrace engine knows the radio configuration's carrier only; use "
                "engine='replay' for a campaign that names its own"
            )
        if {radio.max_reflections, radio.max_transmissions} != {None} or (
            radio.line_of_sight == "always"
        ):
            raise ConfigurationError(
                "the retrace engine has no caps on reflections or transmissions, nor straight "
                "paths beyond max_depth; use engine='replay'"
            )
        if campaign.antennas is not None:
            raise ConfigurationError(
                "the retrace engine knows the radio configuration's antennas only; use "
                "engine='replay' for a campaign that states its own"
            )
        refuse_walls(scene, "the retrace engine", "use engine='replay'")
        if campaign.observables:
            raise ConfigurationError(
                f"the retrace engine knows received powers only, not "
                f"{campaign.observables[0].name}; use engine='replay'"
            )
        from vlmrt_dist.field.retrace import Retrace  # imports Sionna

        self.num_setups = campaign.num_setups
        self.num_objects = scene.num_objects
        self._frequency = radio.frequency
        self._present = campaign.present
        self._measured = measured_power(campaign, measured)
        self._retrace = Retrace(scene, campaign, radio)

    def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
        """See :meth:`Objective.value_and_grad`."""
        count = len(theta)
        value = np.zeros((count, self.num_setups))
        gradient = np.zeros((count, self.num_setups, self.num_objects))
        for s, sigma in enumerate(theta):
            truth = self._measured[min(s, len(self._measured) - 1)]
            for m in range(self.num_setups):
                measured = truth[m][self._present[m]]
                weigh = partial(_error_weight, measured=measured, loss=loss)
                rss, gradient[s, m] = self._retrace.rss_and_gradient(sigma, m, weigh)
                value[s, m] = power_loss(rss[None, None], measured[None, None], loss)[0][0, 0]
        return ValueAndGrad(value, gradient)

    def rss(self, theta: FloatArray) -> FloatArray:
        """See :meth:`Objective.rss`."""
        result = np.full((len(theta), *self._present.shape), np.nan)
        for s, sigma in enumerate(theta):
            for m in range(self.num_setups):
                result[s, m, self._present[m]] = self._retrace.rss(sigma, m)
        return result

    def levels(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        poses: Poses | None = None,
    ) -> Levels:
        """See :meth:`Objective.levels`; conductivities only.

        :raises ConfigurationError: if another parameter is wanted, or antennas are to turn
        """
        if poses is not None:
            raise ConfigurationError(
                "the retrace engine does not turn antennas; use engine='replay'"
            )
        if set(wanted) - {"conductivity"}:
            raise ConfigurationError(
                "the retrace engine differentiates by the conductivity only; use engine='replay'"
            )
        rss, jacobian = self.log_jacobian(materials[self._frequency].conductivity)
        return Levels(rss, {"conductivity": jacobian}, {})

    def observe(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        offsets: LinkOffsets,
        poses: Poses | None = None,
    ) -> Observed:
        """See :meth:`Objective.observe`; there are no observables."""
        none = np.zeros((len(offsets.delay_ns), 0))
        return Observed(none, {}, none, none)

    def log_jacobian(self, theta: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        """See :meth:`Objective.log_jacobian`; one differentiated solve a link."""
        rss = np.full(self._present.shape, np.nan)
        rows = np.zeros((*self._present.shape, self.num_objects))
        for m in range(self.num_setups):
            there = np.flatnonzero(self._present[m])
            for position, n in enumerate(there):
                weigh = partial(_one_weight, position=position)
                power, row = self._retrace.rss_and_gradient(theta, m, weigh)
                rss[m, there] = power
                if power[position] > 0.0:
                    rows[m, n] = DB * row * theta / power[position]
        return rss, sp.csr_matrix(rows.reshape(-1, self.num_objects))


def _error_weight(rss: FloatArray, measured: FloatArray, loss: PowerLoss) -> FloatArray:
    """Derivative [n] of one setup's loss by its received powers [n]."""
    return power_loss(rss[None, None], measured[None, None], loss)[1][0, 0]


def _one_weight(rss: FloatArray, position: int) -> FloatArray:
    """Derivative [n] of the received power at one receiver by all [n]."""
    return (np.arange(len(rss)) == position).astype(np.float64)
