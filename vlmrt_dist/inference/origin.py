"""What an estimate was made from: scene, radio, transmitters, noise."""

from __future__ import annotations

from dataclasses import dataclass

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import RadioConfig


@dataclass(frozen=True, eq=False)
class Origin:
    """Scene and measurement of an estimate.

    :param scene: name of the scene
    :param scene_key: content hash of its geometry and materials
    :param geometry_key: content hash of its geometry
    :param campaign_key: content hash of the measurement
    :param radio: radio configuration
    :param tx: [M, 3] transmitters of the setups [m]
    :param noise_db: standard deviation that was declared for a level, median over the links [dB]
    :param noise_scale: factor by which the residuals exceed that (1: they do not; NaN: too few
        links to say)
    :param gain_width_db: prior standard deviation of a setup's offset [dB], infinite for none;
        None: there was no offset
    """

    scene: str
    scene_key: str
    geometry_key: str
    campaign_key: str
    radio: RadioConfig
    tx: FloatArray
    noise_db: float
    noise_scale: float
    gain_width_db: float | None = None
