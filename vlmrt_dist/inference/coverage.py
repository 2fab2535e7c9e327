"""Levels over a horizontal plane before and after calibration, with their standard deviations.

The posterior of the materials is propagated to the level of each cell through the replay's
Jacobian: var = J C Jᵀ, with C the covariance of all unknowns. It is the uncertainty that the
materials leave; geometry, noise and offsets of a receiver are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import RadioConfig, area_of
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.field import (
    LengthsAt,
    MapPlane,
    point_levels,
)
from vlmrt_dist.inference.calibration import Calibration
from vlmrt_dist.inference.estimate_files import EstimateLike, calibration_of
from vlmrt_dist.inference.material_states import (
    differentiated_by,
    excess_loss_entry,
    prior_materials,
    states_of,
)
from vlmrt_dist.inference.options import Prior
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import MaterialPrior, SceneLike, SceneModel
from vlmrt_dist.units import dbm_to_watts

ON_TRANSMITTER = 1e-3
"""Cells whose centre is nearer to the transmitter than this [m] have no level."""


@dataclass(frozen=True, eq=False)
class RadioMap:
    """Levels of T transmitters over H × W cells; NaN where no antenna can be, or no path arrives.

    :attr:`path_gain`, :attr:`rss` and :attr:`cell_centers` have the layout of Sionna's
    ``RadioMap``; where Sionna has zero watts they are NaN.

    :param tx: [T, 3] transmitters [m]
    :param x: [W] centres of the cells [m]
    :param y: [H] centres of the cells [m]
    :param height: z of the plane [m]
    :param size: side of a cell [m]
    :param tx_power_dbm: transmit power [dBm]
    :param frequency: carrier [Hz]
    :param free: [H, W] whether an antenna can be at the centre: in no closed object, on no surface
    :param prior_dbm: [T, H, W] levels with the prior's materials [dBm]
    :param prior_std_db: [T, H, W] their standard deviation by the prior [dB]
    :param calibrated_dbm: [T, H, W] levels with the estimated materials [dBm]; None: no estimate
    :param calibrated_std_db: [T, H, W] their standard deviation by the posterior [dB]
    :param joint: whether that contains the covariances of the objects; a result file has none
    """

    tx: FloatArray
    x: FloatArray
    y: FloatArray
    height: float
    size: float
    tx_power_dbm: float
    frequency: float
    free: BoolArray
    prior_dbm: FloatArray
    prior_std_db: FloatArray
    calibrated_dbm: FloatArray | None = None
    calibrated_std_db: FloatArray | None = None
    joint: bool = True

    def __repr__(self) -> str:
        kind = "prior" if self.calibrated_dbm is None else "prior and calibrated"
        shape = " × ".join(map(str, self.prior_dbm.shape))
        return f"RadioMap({shape} cells of {self.size:g} m at z = {self.height:g} m, {kind})"

    @property
    def level_dbm(self) -> FloatArray:
        """[T, H, W] calibrated levels, or the prior's where nothing was estimated [dBm]."""
        return self.prior_dbm if self.calibrated_dbm is None else self.calibrated_dbm

    @property
    def std_db(self) -> FloatArray:
        """[T, H, W] standard deviation of :attr:`level_dbm` [dB]."""
        return self.prior_std_db if self.calibrated_std_db is None else self.calibrated_std_db

    @property
    def difference_db(self) -> FloatArray | None:
        """[T, H, W] calibrated minus prior [dB]; None without an estimate."""
        return None if self.calibrated_dbm is None else self.calibrated_dbm - self.prior_dbm

    @property
    def rss(self) -> FloatArray:
        """[num_tx, num_cells_y, num_cells_x] received power of :attr:`level_dbm` [W]."""
        return dbm_to_watts(self.level_dbm)

    @property
    def path_gain(self) -> FloatArray:
        """[num_tx, num_cells_y, num_cells_x] received over transmitted power."""
        return self.rss / dbm_to_watts(self.tx_power_dbm)

    @property
    def cell_centers(self) -> FloatArray:
        """[num_cells_y, num_cells_x, 3] centres [m]."""
        y, x = np.meshgrid(self.y, self.x, indexing="ij")
        return np.stack([x, y, np.full(x.shape, self.height)], axis=-1)

    @property
    def cell_size(self) -> FloatArray:
        """[2] sides of a cell in x and y [m]."""
        return np.array([self.size, self.size])


def radio_map(
    scene: SceneLike,
    tx: npt.ArrayLike,
    *,
    estimate: EstimateLike | None = None,
    plane: MapPlane | None = None,
    radio: RadioConfig | None = None,
    prior: Prior | MaterialPrior | None = None,
    progress: Progress | None = None,
) -> RadioMap:
    """Levels over a plane by the exact paths, before and after calibration.

    Offsets of the levels, if they were estimated, are not applied: the map is that of the stated
    transmit power. An excess loss along the paths is, in the calibrated map.

    :param scene: K objects: a scene model, the path of a scene file, or a live ``sionna.rt.Scene``
    :param tx: transmitter [3] or transmitters [T, 3] [m]
    :param estimate: calibrated values with their posterior; None: the prior's map only
    :param plane: default: 1.5 m above the ground, the scene's bounds, 100 cells along their longer
        side
    :param radio: default: that of the estimate, else of a live scene, else every path up to depth
        4. At another carrier than the estimate's, conductivities follow the classes of the scene
    :param prior: of the map before calibration; default: that of the estimate, or ``Prior()``
    :param progress: called as "map" along the cells
    :raises SceneError: if the estimate is of another scene (the message says what differs)
    :raises ConfigurationError: if the plane is impossible
    :raises CampaignError: if a transmitter is not finite, inside an object or on a surface
    """
    known = None if estimate is None else calibration_of(estimate)
    stated = radio is not None
    scene, radio = scene_and_radio(scene, radio)
    if known is not None:
        scene = known.scene_of(scene)
        if not stated and known.origin is not None:
            radio = known.origin.radio
        elif not stated:
            radio = radio.replace(frequency=known.frequency)
    places = _transmitters(scene, tx)
    states = states_of(scene, radio, known, prior)
    named = {name for state in states for name in state.entry}
    wanted = differentiated_by(named)
    cells = (plane or MapPlane()).cells_of(scene)
    free = cells.free(scene)
    points = cells.centers.reshape(-1, 3)
    levels = [np.full((2, len(places), points.shape[0]), np.nan) for _ in states]
    done = 0
    for t, place in enumerate(places):
        index = cells.in_tiles(free)
        index = index[np.linalg.norm(points[index] - place, axis=1) > ON_TRANSMITTER]
        blocks = point_levels(
            scene, place, points[index], radio, [state.materials for state in states], wanted,
            _lengths_at(scene, known, radio.frequency),
        )  # fmt: skip
        for some, found, lengths in blocks:
            for state, here, at in zip(states, levels, found, strict=True):
                here[:, t, index[some]] = state.level_and_std(at, lengths)
            done += len(some)
            if progress is not None:
                progress("map", done, len(places) * int(free.sum()))
    shape = (len(places), *cells.shape)
    (before, before_std), *after = [tuple(part.reshape(shape) for part in each) for each in levels]
    return RadioMap(
        tx=places, x=cells.x, y=cells.y, height=cells.height, size=cells.size,
        tx_power_dbm=radio.tx_power_dbm, frequency=radio.frequency, free=free,
        prior_dbm=before, prior_std_db=before_std,
        calibrated_dbm=after[0][0] if after else None,
        calibrated_std_db=after[0][1] if after else None,
        joint=known is None or known.joint is not None,
    )  # fmt: skip


def _lengths_at(
    scene: SceneModel, estimate: Calibration | None, frequency: float
) -> LengthsAt | None:
    """How the lengths of paths are counted that an excess loss needs: with the prior's powers, as
    when it was estimated."""
    if estimate is None or excess_loss_entry(estimate) is None:
        return None
    area = None if estimate.origin is None else estimate.origin.assumed.noise.clutter_area
    return LengthsAt(prior_materials(scene, estimate, frequency), area_of(area))


def _transmitters(scene: SceneModel, tx: npt.ArrayLike) -> FloatArray:
    """[T, 3] checked positions."""
    try:
        places = np.atleast_2d(np.array(tx, np.float64))
    except (TypeError, ValueError):
        places = np.zeros((0, 0))
    if places.ndim != 2 or places.shape[1] != 3 or len(places) == 0:
        raise CampaignError("tx must be a position [3] or positions [T, 3] in metres")
    if not np.isfinite(places).all():
        raise CampaignError("tx has a coordinate that is not finite")
    for t, k in enumerate(scene.inside_object(places)):
        if k >= 0:
            raise CampaignError(
                f"transmitter {t + 1} is inside object {scene.names[k]!r}; move it out"
            )
    return places
