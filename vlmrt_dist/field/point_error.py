"""How well the points of surfaces know the levels of links that scattered power reaches."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.field.materials import Materials
from vlmrt_dist.field.objective import DB
from vlmrt_dist.scene import SceneModel

MOST_SETUPS = 8
"""Setups that are traced anew; of more, so many are taken evenly."""


class ScatteringError(NamedTuple):
    """Standard errors of levels by the points that stand for what surfaces scatter.

    :param rms_db: root mean square over the links [dB]
    :param worst_db: of the worst link [dB], itself known to its own size only
    :param num_links: links looked at
    :param points: of each setup
    """

    rms_db: float
    worst_db: float
    num_links: int
    points: int


def scattering_error(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    materials: Mapping[float, Materials],
) -> ScatteringError:
    """Compare levels with those of as many other points: two independent sets differ by √2 times
    the standard error of one.

    :param radio: with diffuse reflection
    :param materials: those at each carrier [Hz] of the campaign
    """
    from vlmrt_dist.field.evaluators import ReplayObjective  # imports Dr.Jit
    from vlmrt_dist.field.tracing import trace

    count = min(MOST_SETUPS, campaign.num_setups)
    some = np.linspace(0, campaign.num_setups - 1, count).round().astype(int)
    blank = campaign.subset(some.tolist())
    level = np.where(blank.present, 0.0, np.nan)
    blank = dataclasses.replace(blank, rss_dbm=level, observables=())
    table = trace(scene, blank, radio)
    power = [
        ReplayObjective(scene, blank, radio.replace(seed=seed), table).levels(materials, ()).rss
        for seed in (radio.seed, radio.seed + 1)
    ]
    both = 0.5 * (power[0] + power[1])
    heard = np.nan_to_num(both) > 0.0
    error = DB * np.abs(power[0] - power[1])[heard] / both[heard] / np.sqrt(2.0)
    if not len(error):
        return ScatteringError(0.0, 0.0, 0, radio.scattering_points)
    rms = float(np.sqrt((error**2).mean()))
    return ScatteringError(rms, float(error.max()), len(error), radio.scattering_points)
