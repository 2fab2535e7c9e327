"""Positions that sweeps share: VLMSel or what stands for it, and what positions tell."""

from __future__ import annotations

from functools import partial

import vlmrt_dist as vd
from vlmrt_dist.distributed import ActorOptions, call
from vlmrt_dist.placement import Prediction, strategy_named
from vlmrt_dist.vlm import Advice, ask


def advised(
    vlm: str | None,
    room: vd.SceneModel,
    radio: vd.RadioConfig,
    workers: ActorOptions | None,
) -> tuple[Advice | None, vd.Campaign]:
    """The paper's M = 3 setups of N = 8 receivers, and the advice that they come from.

    :param vlm: the advisor's name; None: D-optimal positions without advice
    :param workers: where D-optimal positions are chosen, see
        :func:`~vlmrt_dist.distributed.pool.call`
    """
    if vlm:
        advice = ask(vlm, room, 3, 8, frequency=radio.frequency)
        return advice, advice.campaign
    choose = partial(vd.place, vd.DOptimal(radio=radio), room, 3, 8, seed=0)
    return None, call(choose, "choose positions", workers)


def planned(
    room: vd.SceneModel, strategy: str, num_receivers: int, radio: vd.RadioConfig
) -> tuple[vd.Campaign, Prediction]:
    """Three setups by a named strategy, and their prediction."""
    campaign = vd.place(strategy_named(strategy, radio), room, 3, num_receivers, seed=0)
    return campaign, vd.predicted_std(room, campaign, radio=radio, num_draws=1)
