"""Positions that sweeps share: VLMSel or what stands for it, and their predicted uncertainty."""

from __future__ import annotations

import dataclasses
from functools import partial

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.inference import LinkLoss
from vlmrt_dist.placement import Prediction, place, predicted_std, strategy_named
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.studies.point import Point
from vlmrt_dist.studies.sweeps import Sweep
from vlmrt_dist.vlm import Advice, ask


def advised(
    sweep: Sweep, vlm: str | None, room: SceneModel, radio: RadioConfig
) -> tuple[Advice | None, Campaign]:
    """The paper's M = 3 setups of N = 8 receivers, and the advice that they come from.

    :param vlm: the advisor's name; None: D-optimal positions without advice
    """
    if vlm:
        advice = ask(vlm, room, 3, 8, frequency=radio.frequency)
        return advice, advice.campaign
    return None, optimal(sweep, room, radio)


def optimal(
    sweep: Sweep, room: SceneModel, radio: RadioConfig, num_setups: int = 3, num_receivers: int = 8
) -> Campaign:
    """D-optimal positions, chosen on an actor if there are any."""
    strategy = strategy_named("d_optimal", radio)
    choose = partial(place, strategy, room, num_setups, num_receivers, seed=0)
    return sweep.call(choose, "choose positions")


def planned(
    room: SceneModel, strategy: str, num_receivers: int, radio: RadioConfig
) -> tuple[Campaign, Prediction]:
    """Three setups by a strategy, and their predicted uncertainty."""
    campaign = place(strategy_named(strategy, radio), room, 3, num_receivers, seed=0)
    return campaign, predicted_std(room, campaign, radio=radio, num_draws=1)


def solved_with(point: Point, rate: float | None, loss: LinkLoss) -> list[Point]:
    """A point with another step of its Adams, and another loss of its other methods.

    :param rate: Adam's η; None: each method's own
    :param loss: how large residuals count for the methods that are not Adam
    """
    adams = tuple(m for m in point.optimizers if m.startswith("adam"))
    others = tuple(m for m in point.optimizers if m not in adams)
    if not adams or not others or (rate is None and loss == "squared"):
        return [dataclasses.replace(point, learning_rate=rate if adams else None,
                                    loss=loss if others else "squared")]  # fmt: skip
    return [
        dataclasses.replace(point, optimizers=adams, learning_rate=rate),
        dataclasses.replace(point, optimizers=others, loss=loss),
    ]
