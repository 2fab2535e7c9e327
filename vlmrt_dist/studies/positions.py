"""D-optimal positions that sweeps share, and positions with their predicted uncertainty."""

from __future__ import annotations

from functools import partial

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.placement import Prediction, place, predicted_std, strategy_named
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.studies.sweeps import Sweep


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
