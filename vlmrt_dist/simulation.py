"""Measurements that were never made: received levels of a scene whose materials are known."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.errors import NO_PATHS, ConfigurationError, MaterialError, NoPathsError
from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import Campaign, check_campaign, paths_provenance
from vlmrt_dist.units import watts_to_dbm


def simulate(
    scene: SceneModel,
    campaign: Campaign,
    *,
    conductivity: NDArray[np.float64] | None = None,
    radio: RadioConfig | None = None,
    noise_db: float = 0.0,
    seed: int = 0,
) -> Campaign:
    """The campaign as it would be measured.

    :param scene: K objects
    :param campaign: positions of M setups of N receivers
    :param conductivity: [K] true conductivities [S/m]; default: the scene's own
    :param radio: radio configuration; with the same one as the estimation's (seed included) the
        protocol is ``same_paths``, otherwise ``independent``
    :param noise_db: standard deviation of the normal error of each level [dB]
    :param seed: of the noise
    :return: the campaign with levels; receivers that no path reaches are taken out, with a warning
    :raises MaterialError: if a conductivity is negative or not finite
    :raises ConfigurationError: if the noise is
    :raises CampaignError: if the positions do not fit the scene
    :raises NoPathsError: if no path reaches any receiver
    """
    from vlmrt_dist.replay import Materials, Replay  # wakes up the ray tracer
    from vlmrt_dist.tracing import trace

    radio = radio or RadioConfig()
    truth = scene.conductivity(radio.frequency) if conductivity is None else conductivity
    truth = np.asarray(truth, np.float64)
    if truth.shape != (scene.num_objects,) or not (np.isfinite(truth).all() and (truth >= 0).all()):
        raise MaterialError(
            f"conductivity must be {scene.num_objects} finite numbers, none negative [S/m]"
        )
    if not (np.isfinite(noise_db) and noise_db >= 0.0):
        raise ConfigurationError("noise_db must be a finite number, not negative")
    check_campaign(scene, campaign)
    table = trace(scene, campaign, radio)
    materials = Materials(truth, scene.relative_permittivity(radio.frequency), scene.thickness)
    rss = Replay(table, radio).rss(materials)[0]
    heard = campaign.present & (rss > 0.0)
    if not heard.any():
        raise NoPathsError(NO_PATHS)
    silent = np.argwhere(campaign.present & ~heard)
    if len(silent):
        some = ", ".join(f"setup {m + 1} receiver {n + 1}" for m, n in silent[:5])
        warnings.warn(
            f"no path reaches {len(silent)} receivers, which were taken out of the campaign: "
            f"{some}{', ...' if len(silent) > 5 else ''}",
            stacklevel=2,
        )
    level = np.where(heard, watts_to_dbm(rss), np.nan)
    if noise_db > 0.0:
        level = level + noise_db * np.random.default_rng(seed).standard_normal(level.shape)
    kept = [m for m in range(campaign.num_setups) if heard[m].any()]
    return Campaign(
        tx=campaign.tx[kept],
        rx=np.where(heard[..., None], campaign.rx, np.nan)[kept],
        rss_dbm=level[kept],
        noise_db=noise_db,
        present=heard[kept],
        simulated_from=paths_provenance(scene, radio),
    )


def perturbed(
    conductivity: NDArray[np.float64], seed: int, spread: float = 0.1, limit: float = 0.2
) -> NDArray[np.float64]:
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
