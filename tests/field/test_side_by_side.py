"""Campaigns that are evaluated side by side have the bits that each has alone."""

import numpy as np
import pytest

from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.field.evaluators import ReplayObjective
from vlmrt_dist.field.objective import PowerLoss
from vlmrt_dist.field.side_by_side import SideBySide
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.scene.model import SceneModel


@pytest.mark.parametrize("combining", ["power", "coherent"])
@pytest.mark.parametrize("loss", ["nae", "decibel_squares"])
@pytest.mark.parametrize("vectors", [1, 3])
def test_campaigns_side_by_side_have_the_bits_that_each_has_alone(
    room: SceneModel, combining: str, loss: PowerLoss, vectors: int
) -> None:
    radio = RadioConfig(max_depth=1, combining=combining)  # type: ignore[arg-type]
    rng = np.random.default_rng(3)
    sigma = room.conductivity(radio.frequency)
    objectives, tables, measured, thetas = [], [], [], []
    for seed in range(3):
        campaign = random_campaign(room, 2, 3, seed=seed)
        if seed == 1:  # a receiver is not there
            present = np.array([[True] * 3, [True, True, False]])
            rx = np.where(present[..., None], campaign.rx, np.nan)
            campaign = Campaign(campaign.tx, rx, present=present)
        campaign = campaign.with_rss(np.where(campaign.present, 0.0, np.nan))
        table = trace(room, campaign, radio)
        truth = sigma * np.exp(0.1 * rng.standard_normal((vectors, len(sigma))))
        rss = ReplayObjective(room, campaign, radio, table).rss(truth)
        objectives.append(ReplayObjective(room, campaign, radio, table, measured=rss))
        tables.append(table)
        measured.append(rss)
        thetas.append(sigma * np.exp(0.1 * rng.standard_normal((vectors, len(sigma)))))
    alone = [o.value_and_grad(x, loss) for o, x in zip(objectives, thetas, strict=True)]
    together = SideBySide(room, radio, tables, measured)
    found = together.value_and_grad(np.concatenate(thetas), loss)
    assert np.array_equal(found.loss, np.concatenate([each.loss for each in alone]))
    assert np.array_equal(found.gradient, np.concatenate([each.gradient for each in alone]))
    assert np.ptp(found.loss) > 0.0
