"""Positions that sweeps choose once and find again, and their predicted uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import StorageError
from vlmrt_dist.placement import Prediction, place, predicted_std, strategy_named
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.studies.sweeps import Sweep


def chosen_positions(
    sweep: Sweep,
    room: SceneModel,
    strategy: str,
    radio: RadioConfig,
    size: tuple[int, int] = (3, 8),
    seeds: Sequence[int] = (0,),
) -> list[Campaign]:
    """The campaign of each seed by a strategy, kept in the sweep's storage.

    :param strategy: its name
    :param size: setups M, and receivers N of each
    :raises StorageError: if what is kept there is no campaign
    """

    def choose() -> list[Any]:
        named = strategy_named(strategy, radio)
        found = [place(named, room, *size, seed=seed) for seed in seeds]
        return [[c.tx.tolist(), np.where(c.present[..., None], c.rx, np.nan).tolist()]
                for c in found]  # fmt: skip

    parts = ["positions", room.key, radio.key, strategy, *size, list(seeds)]
    kept = sweep.kept(parts, choose, f"{strategy} positions")
    try:
        arrays = [(np.array(tx, float), np.array(rx, float)) for tx, rx in kept]
        return [Campaign(tx, rx, present=np.isfinite(rx).all(axis=2)) for tx, rx in arrays]
    except (TypeError, ValueError) as error:
        raise StorageError(f"kept positions are not readable ({error}); delete {sweep.folder}/kept "
                           "and run the sweep again") from None  # fmt: skip


def optimal(
    sweep: Sweep, room: SceneModel, radio: RadioConfig, num_setups: int = 3, num_receivers: int = 8
) -> Campaign:
    """D-optimal positions, chosen on an actor if there are any."""
    return chosen_positions(sweep, room, "d_optimal", radio, (num_setups, num_receivers))[0]


def predicted(
    sweep: Sweep, room: SceneModel, campaigns: Sequence[Campaign], radio: RadioConfig
) -> list[Prediction]:
    """The uncertainty that each campaign is expected to leave, kept in the sweep's storage.

    :raises StorageError: if what is kept there is no prediction
    """

    def predict() -> list[Any]:
        found = [predicted_std(room, c, radio=radio, num_draws=1) for c in campaigns]
        return [[p.prior.tolist(), p.posterior.tolist(), p.cramer_rao.tolist(),
                 p.strongest.tolist(), p.free.tolist(), p.num_links, p.num_heard, p.noise_db]
                for p in found]  # fmt: skip

    parts = ["prediction", room.key, radio.key, [c.key for c in campaigns]]
    kept = sweep.kept(parts, predict, "prediction")
    try:
        return [_prediction(room, *values) for values in kept]
    except (TypeError, ValueError) as error:
        raise StorageError(f"a kept prediction is not readable ({error}); delete "
                           f"{sweep.folder}/kept and run the sweep again") from None  # fmt: skip


def _prediction(
    room: SceneModel,
    prior: list[float],
    posterior: list[float],
    cramer_rao: list[float],
    strongest: list[float],
    free: list[bool],
    links: int,
    heard: int,
    noise: float,
) -> Prediction:
    arrays = [np.array(x, float) for x in (prior, posterior, cramer_rao, strongest)]
    return Prediction(
        room.names, room.materials, np.array(free, bool), arrays[0], arrays[1], arrays[2],
        arrays[3], int(links), int(heard), float(noise),
    )  # fmt: skip


def planned(
    sweep: Sweep, room: SceneModel, strategy: str, num_receivers: int, radio: RadioConfig
) -> tuple[Campaign, Prediction]:
    """Three setups by a strategy, and their predicted uncertainty."""
    [campaign] = chosen_positions(sweep, room, strategy, radio, (3, num_receivers))
    return campaign, predicted(sweep, room, [campaign], radio)[0]
