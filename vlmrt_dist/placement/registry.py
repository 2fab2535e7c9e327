"""Placement strategies by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.placement.strategies._base import Strategy
from vlmrt_dist.placement.strategies.a_optimal import AOptimal
from vlmrt_dist.placement.strategies.d_optimal import DOptimal
from vlmrt_dist.placement.strategies.grid import Grid
from vlmrt_dist.placement.strategies.random import Random
from vlmrt_dist.placement.strategies.vlm import Vlm
from vlmrt_dist.placement.strategies.vlm_then_refine import VlmThenRefine
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneLike

POOL_STRATEGIES: dict[str, Callable[..., DOptimal | AOptimal | VlmThenRefine]] = {
    "d_optimal": DOptimal,
    "a_optimal": AOptimal,
    "d_optimal_refined": partial(DOptimal, refine=True),
    "a_optimal_refined": partial(AOptimal, refine=True),
    "vlm_then_refine": VlmThenRefine,
}
"""Strategies that choose from a traced pool, by name."""

STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "random": Random,
    "grid": Grid,
    **POOL_STRATEGIES,
    "vlm": Vlm,
}
"""Strategies with their defaults, by name."""


def strategy_named(name: str, radio: RadioConfig | None = None) -> Strategy:
    """A strategy with its defaults.

    :param name: one of ``STRATEGIES``
    :param radio: radio configuration of the measurement, for strategies that trace candidates;
        None: the default one
    :raises CampaignError: if there is no such strategy
    """
    if name not in STRATEGIES:
        raise CampaignError(
            f"unknown placement strategy {name!r}; use one of " + ", ".join(STRATEGIES)
        )
    if radio is not None and name in POOL_STRATEGIES:
        return POOL_STRATEGIES[name](radio=radio)
    return STRATEGIES[name]()


def place(
    strategy: Strategy | str,
    scene: SceneLike,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Campaign:
    """Positions of a campaign of ``num_setups`` (M) × ``num_receivers`` (N), without levels.

    :param strategy: with its options, such as ``vd.DOptimal(noise_db=0.1)``; or a name, which
        stands for the strategy's defaults: "random", "grid", "d_optimal", "a_optimal",
        "d_optimal_refined", "a_optimal_refined", "vlm", "vlm_then_refine" (of a live scene with its
        radio configuration)
    :param scene: a scene model, the path of a scene file, or a live ``sionna.rt.Scene``
    :param seed: of the strategy's random choices; the same seed gives the same campaign
    :param progress: called along the way
    :raises CampaignError: if there is no such strategy, or nothing can be placed
    """
    model, radio = scene_and_radio(scene, None)
    if isinstance(strategy, str):
        strategy = strategy_named(strategy, radio)
    return strategy.place(model, num_setups, num_receivers, seed=seed, progress=progress)
