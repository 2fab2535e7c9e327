"""Simulated measurements: received levels of a scene whose materials are known."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import (
    Campaign,
    CampaignLike,
    ObservablePlan,
    RadioConfig,
    as_campaign,
    check_campaign,
    checked_noise,
    misplaced,
    paths_provenance,
)
from vlmrt_dist.errors import (
    NO_PATHS,
    CampaignError,
    ConfigurationError,
    MaterialError,
    NoPathsError,
)
from vlmrt_dist.field.smooth_surfaces import warn_if_nothing_scatters
from vlmrt_dist.field.true_links import TrueLinks, with_observables
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.scene import SceneLike, SceneModel
from vlmrt_dist.units import watts_to_dbm

MAX_DISPLACEMENTS = 1000
"""Draws of a receiver's true position after which none is expected to be free."""


@dataclass(frozen=True)
class Flaws:
    """Flaws of a measurement beside the normal noise of its levels; by default there are none.

    :param quantisation_db: step that levels are rounded to, after noise; 0: none [dB]
    :param noise_floor_dbm: lowest level that a receiver can tell; lower ones are reported as this
        one, censored. None: everything is heard [dBm]
    :param saturation_dbm: highest level that a receiver can tell; higher ones are reported as this
        one, saturated. None: it tells every level [dBm]
    :param outlier_share: probability that a level is grossly wrong
    :param outlier_db: error of such a level, up or down [dB]
    :param gain_offset_db: standard deviation of an error that all levels of a setup share (cable,
        transmit power) [dB]
    :param position_error_m: standard deviation of each coordinate of the true receivers about the
        stated ones [m]
    :param delay_offset_ns: standard deviation of an error that all delays of a link share [ns]
    :raises ConfigurationError: if a value is outside what is stated here
    """

    quantisation_db: float = 0.0
    noise_floor_dbm: float | None = None
    saturation_dbm: float | None = None
    outlier_share: float = 0.0
    outlier_db: float = 20.0
    gain_offset_db: float = 0.0
    position_error_m: float = 0.0
    delay_offset_ns: float = 0.0

    def __post_init__(self) -> None:
        for name in ("quantisation_db", "outlier_db", "gain_offset_db", "position_error_m",
                     "delay_offset_ns"):  # fmt: skip
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise ConfigurationError(
                    f"{name} must be a finite number, not negative; got {value}"
                )
        if not 0.0 <= self.outlier_share <= 1.0:
            raise ConfigurationError(
                f"outlier_share must lie between 0 and 1; got {self.outlier_share}"
            )
        for name in ("noise_floor_dbm", "saturation_dbm"):
            level = getattr(self, name)
            if level is not None and not math.isfinite(level):
                raise ConfigurationError(f"{name} must be a finite level [dBm]")
        floor, ceiling = self.noise_floor_dbm, self.saturation_dbm
        if floor is not None and ceiling is not None and not floor < ceiling:
            raise ConfigurationError("noise_floor_dbm must lie below saturation_dbm")


def simulate(
    scene: SceneLike,
    campaign: CampaignLike,
    *,
    conductivity: FloatArray | None = None,
    radio: RadioConfig | None = None,
    noise_db: float | npt.ArrayLike = 0.0,
    flaws: Flaws = Flaws(),
    observables: Sequence[ObservablePlan] = (),
    power: bool = True,
    seed: int = 0,
) -> Campaign:
    """The campaign as it would be measured.

    The result declares the noise of the levels and of their rounding; it does not know of outliers,
    offsets and wrong positions, as nobody would who measured. Each flaw is drawn from a stream of
    random numbers of its own, so that adding one leaves the others as they were.

    :param scene: K objects: a scene model, the path of a scene file, or a live ``sionna.rt.Scene``
    :param campaign: positions of M setups of N receivers, and their carriers: a campaign, the path
        of a file, or a data frame with the columns of one
    :param conductivity: [K] true conductivities at the radio's carrier [S/m]; default: the scene's
        own. At other carriers they follow the objects' classes, see
        :mod:`~vlmrt_dist.campaign.carriers`. Objects with layers have those of the scene, whatever
        stands here
    :param radio: radio configuration. An estimation with the same one has the protocol ``exact``
        where both have every path, ``same_paths`` where both share a sampled set (the same seed);
        otherwise the protocol is ``independent``
    :param noise_db: standard deviation of the normal error of each level, one number or [M,N] [dB]
    :param flaws: rounding, receivers' floor and ceiling, outliers, offsets and wrong positions
    :param observables: what is measured of every link beside its level; outliers, rounding, floor
        and ceiling are those of levels
    :param power: False: no levels are measured, only observables
    :param seed: of all that is random
    :return: the campaign with levels and observables; without a noise floor, receivers that no path
        reaches are taken out, with a warning
    :raises MaterialError: if a conductivity is negative or not finite
    :raises ConfigurationError: if the noise is
    :raises CampaignError: if the positions do not fit the scene
    :raises NoPathsError: if no path reaches any receiver
    """
    if not power and not observables:
        raise ConfigurationError("nothing is measured: name an observable, or let power be True")
    scene, radio = scene_and_radio(scene, radio)
    campaign = as_campaign(campaign, scene, radio)
    truth = scene.conductivity(radio.frequency) if conductivity is None else conductivity
    truth = np.asarray(truth, np.float64)
    if truth.shape != (scene.num_objects,) or not (np.isfinite(truth).all() and (truth >= 0).all()):
        raise MaterialError(
            f"conductivity must be {scene.num_objects} finite numbers, none negative [S/m]"
        )
    noise = _checked_noise(noise_db, campaign)
    check_campaign(scene, campaign)
    provenance = paths_provenance(scene, radio)
    places = campaign
    if flaws.position_error_m > 0.0:
        rng = np.random.default_rng((seed, 1))
        places = displaced(scene, campaign, flaws.position_error_m, rng)
        # Other positions have other paths, however alike they are traced.
        provenance = hashlib.sha256(f"{provenance}\n{places.key}".encode()).hexdigest()
    warn_if_nothing_scatters(scene, radio)
    links = TrueLinks(scene, places, truth, radio)
    rss = links.rss()
    heard = campaign.present & (rss > 0.0)
    if not heard.any():
        raise NoPathsError(NO_PATHS)
    level = _flawed(np.where(heard, watts_to_dbm(rss), -np.inf), noise, flaws, seed)
    floor = flaws.noise_floor_dbm
    if floor is None:
        present, censored = _without_silent(campaign, heard), np.zeros_like(heard)
    else:
        present, censored = campaign.present, campaign.present & (level < floor)
        level = np.where(censored, floor, level)
    saturated = np.zeros_like(heard)
    if flaws.saturation_dbm is not None:
        saturated = present & (level > flaws.saturation_dbm)
        level = np.where(saturated, flaws.saturation_dbm, level)
    kept = np.flatnonzero(present.any(axis=1))
    declared = np.hypot(noise, flaws.quantisation_db / math.sqrt(12.0))
    result = Campaign(
        tx=campaign.tx[kept],
        rx=np.where(present[..., None], campaign.rx, np.nan)[kept],
        rss_dbm=level[kept],
        noise_db=float(declared) if declared.ndim == 0 else declared[kept],
        present=present[kept],
        simulated_from=provenance,
        censored=censored[kept],
        frequency=None if campaign.frequency is None else campaign.frequency[kept],
        saturated=saturated[kept],
        antennas=None if campaign.antennas is None else campaign.antennas.subset(kept),
    )
    if not observables:
        return result
    blocks = links.observed(observables, flaws.gain_offset_db, flaws.delay_offset_ns, seed)
    return with_observables(result, kept, blocks, power=power)


def _flawed(level: FloatArray, noise: FloatArray, flaws: Flaws, seed: int) -> FloatArray:
    """Levels [M,N] [dBm] with noise, the setups' offsets, outliers and rounding."""
    level = level + noise * np.random.default_rng(seed).standard_normal(level.shape)
    offset = np.random.default_rng((seed, 2)).standard_normal((len(level), 1))
    level = level + flaws.gain_offset_db * offset
    rng = np.random.default_rng((seed, 3))
    level = level + _outliers(level.shape, flaws.outlier_share, flaws.outlier_db, rng)
    if flaws.quantisation_db > 0.0:
        level = flaws.quantisation_db * np.round(level / flaws.quantisation_db)
    return level


def displaced(
    scene: SceneModel, campaign: Campaign, error: float, rng: np.random.Generator
) -> Campaign:
    """``campaign`` with every receiver moved at random to where an antenna can be.

    :param error: standard deviation of each coordinate [m]; what would be :func:`misplaced
        <vlmrt_dist.campaign.free_space.misplaced>` is drawn again, so beside a wall it is less
    :raises CampaignError: if a receiver finds no place
    """
    moved = campaign.rx + error * rng.standard_normal(campaign.rx.shape)
    for _ in range(MAX_DISPLACEMENTS):
        trial = Campaign(
            campaign.tx, moved, present=campaign.present, frequency=campaign.frequency,
            antennas=campaign.antennas,
        )  # fmt: skip
        wrong = [(at.setup, at.receiver) for at in misplaced(scene, trial)]
        if not wrong:
            return trial
        index = tuple(np.array(wrong, dtype=np.int64).T)
        moved[index] = campaign.rx[index] + error * rng.standard_normal((len(wrong), 3))
    raise CampaignError(
        f"no free place found within some {error:g} m of setup {wrong[0][0] + 1}, receiver "
        f"{int(wrong[0][1] or 0) + 1}; lower the position error"
    )


def _outliers(
    shape: tuple[int, ...], share: float, size: float, rng: np.random.Generator
) -> FloatArray:
    """Errors [dB] of either sign on about ``share`` of the levels, zero on the others."""
    hit, sign = rng.random(shape) < share, rng.choice([-1.0, 1.0], shape)
    return np.where(hit, size * sign, 0.0)


def _without_silent(campaign: Campaign, heard: BoolArray) -> BoolArray:
    """The receivers that a path reaches [M,N]; warns about the others."""
    silent = np.argwhere(campaign.present & ~heard)
    if len(silent):
        some = ", ".join(f"setup {m + 1} receiver {n + 1}" for m, n in silent[:5])
        warnings.warn(
            f"no path reaches {len(silent)} receivers, which were taken out of the campaign: "
            f"{some}{', ...' if len(silent) > 5 else ''}",
            stacklevel=3,
        )
    return heard


def _checked_noise(noise_db: float | npt.ArrayLike, campaign: Campaign) -> FloatArray:
    """One number or [M,N] [dB]; zero where no receiver is."""
    try:
        noise = np.asarray(checked_noise(noise_db, campaign.present))
    except CampaignError as error:
        raise ConfigurationError(str(error)) from None
    return np.nan_to_num(noise) if noise.ndim else noise


def perturbed(
    conductivity: FloatArray, seed: int, spread: float = 0.1, limit: float = 0.2
) -> FloatArray:
    """A truth as in the paper: σ = λ σ_ITU with λ ~ N(1, spread²) truncated to 1 ± limit.

    :param conductivity: [K] ITU values [S/m]
    :param seed: of the draw
    :raises ConfigurationError: if spread or limit is not positive
    """
    if not (spread > 0.0 and limit > 0.0):
        raise ConfigurationError("spread and limit of the truth must be positive")
    rng = np.random.default_rng(seed)
    factor = np.full(len(conductivity), np.nan)
    while np.isnan(factor).any():  # truncation, not clipping: what falls outside is drawn again
        draw = rng.normal(1.0, spread, len(factor))
        inside = np.isnan(factor) & (np.abs(draw - 1.0) <= limit)
        factor[inside] = draw[inside]
    return conductivity * factor
