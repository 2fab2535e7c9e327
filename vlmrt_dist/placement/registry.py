"""Where to measure: strategies that turn a scene into a planned campaign, one file each."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from vlmrt_dist.campaign import Campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.placement.strategies import a_optimal, d_optimal, grid, random, vlm, vlm_then_refine
from vlmrt_dist.scene import SceneModel

Strategy = Callable[..., Campaign]
"""A plain function ``(scene, num_setups, num_receivers, *, seed, <options>) -> Campaign``."""

STRATEGIES: dict[str, Strategy] = {
    "random": random.place,
    "grid": grid.place,
    "d_optimal": d_optimal.place,
    "a_optimal": a_optimal.place,
    "vlm": vlm.place,
    "vlm_then_refine": vlm_then_refine.place,
}
"""Strategies by name."""


def place(
    strategy: str,
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int = 0,
    **options: Any,
) -> Campaign:
    """A campaign of ``num_setups`` (M) × ``num_receivers`` (N), placed by a named strategy.

    :param strategy: one of ``STRATEGIES``
    :param seed: of the strategy's random choices; the same seed gives the same campaign
    :param options: what the strategy takes beyond that, a ``clearance`` [m] for one, see
        the strategies' own files
    :raises CampaignError: if there is no such strategy or option, or nothing can be placed
    """
    if strategy not in STRATEGIES:
        raise CampaignError(
            f"unknown placement strategy {strategy!r}; use one of " + ", ".join(STRATEGIES)
        )
    known = list(inspect.signature(STRATEGIES[strategy]).parameters)[4:]  # after scene, M, N, seed
    unknown = [repr(name) for name in options if name not in known]
    if unknown:
        raise CampaignError(
            f"placement {strategy!r} has no option {', '.join(unknown)}; it takes "
            + ", ".join(known)
        )
    return STRATEGIES[strategy](scene, num_setups, num_receivers, seed=seed, **options)
