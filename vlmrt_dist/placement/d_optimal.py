"""Positions that tell the most: greedy D-optimal design over a pool of candidates.

The pool is traced once and one Jacobian taken at the prior. Setups are then chosen one after
another, and within a setup the receivers, each time the one that enlarges det(prior + Fisher
information) most; the prior keeps the choice from chasing what no placement can see.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.errors import CampaignError
from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import DEFAULT_CLEARANCE, Campaign, random_campaign

RANKING_SAMPLES = 20_000
"""Rays a candidate transmitter is traced with at most."""


def place(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    radio: RadioConfig | None = None,
    num_tx_candidates: int | None = None,
    num_rx_candidates: int | None = None,
    noise_db: float = 0.1,
    prior_width: float = 0.5,
    clearance: float = DEFAULT_CLEARANCE,
) -> Campaign:
    """M setups of N receivers out of a random pool.

    :param radio: radio configuration of the measurement; candidates are traced with one solve of
        few rays, which is enough to rank them
    :param num_tx_candidates: transmitter positions in the pool; default: 20, or twice M if more
    :param num_rx_candidates: receiver positions in the pool, for each transmitter; default: 60, or
        twice N if more
    :param noise_db: standard deviation of one measured level [dB]
    :param prior_width: standard deviation of ln σ before the measurement
    :param clearance: distance of every position from every surface [m]
    :raises CampaignError: if the pool is too small, or too few candidates receive anything
    """
    if num_setups < 1 or num_receivers < 1:
        raise CampaignError("a campaign needs at least one setup and one receiver")
    if not (0.0 < noise_db < np.inf and 0.0 < prior_width < np.inf):
        raise CampaignError("noise_db and prior_width must be positive and finite")
    num_tx_candidates = num_tx_candidates or max(20, 2 * num_setups)
    num_rx_candidates = num_rx_candidates or max(60, 2 * num_receivers)
    if num_tx_candidates < num_setups or num_rx_candidates < num_receivers:
        raise CampaignError(
            f"a pool of {num_tx_candidates} transmitters and {num_rx_candidates} receivers is too "
            f"small for {num_setups} setups of {num_receivers}"
        )
    from vlmrt_dist.objective import ReplayObjective  # wakes up the ray tracer
    from vlmrt_dist.tracing import trace

    radio = radio or RadioConfig()
    radio = radio.replace(
        complete=False, samples_per_src=min(radio.samples_per_src, RANKING_SAMPLES)
    )
    pool = random_campaign(
        scene, num_tx_candidates, num_rx_candidates, seed=seed, clearance=clearance
    )
    table = trace(scene, pool, radio)
    objective = ReplayObjective(scene, pool.with_rss(np.zeros(pool.present.shape)), radio, table)
    rss, jacobian = objective.log_jacobian(scene.conductivity(radio.frequency))
    audible = (rss > 0.0).ravel()
    chosen = _greedy(
        jacobian / noise_db, audible, pool.present.shape, num_setups, num_receivers, prior_width
    )
    return Campaign(
        tx=np.array([pool.tx[m] for m, _ in chosen]),
        rx=np.array([pool.rx[m, rx] for m, rx in chosen]),
    )


def _greedy(
    rows: sp.csr_matrix,
    audible: NDArray[np.bool_],
    shape: tuple[int, int],
    num_setups: int,
    num_receivers: int,
    prior_width: float,
) -> list[tuple[int, list[int]]]:
    """The chosen transmitters, each with its receivers.

    :param rows: [pool setups · pool receivers, K] sensitivity of each link in units of its noise
    """
    dense = rows.toarray().reshape(*shape, -1)
    heard = audible.reshape(shape)
    covariance = np.eye(dense.shape[2]) * prior_width**2
    left = [m for m in range(shape[0]) if heard[m].sum() >= num_receivers]
    if len(left) < num_setups:
        raise CampaignError(
            f"only {len(left)} of {shape[0]} candidate transmitters reach {num_receivers} "
            "receivers; enlarge the pool, or ask for fewer receivers"
        )
    chosen: list[tuple[int, list[int]]] = []
    for _ in range(num_setups):
        trials = [(*_receivers(dense[m], heard[m], covariance, num_receivers), m) for m in left]
        _, receivers, covariance, best = max(trials, key=lambda t: t[0])
        chosen.append((best, receivers))
        left.remove(best)
    return chosen


def _receivers(
    rows: NDArray[np.float64],
    heard: NDArray[np.bool_],
    covariance: NDArray[np.float64],
    count: int,
) -> tuple[float, list[int], NDArray[np.float64]]:
    """Greedy choice of ``count`` receivers of one transmitter.

    :return: gain in ln det of the information, the receivers, the covariance they leave
    """
    gain, receivers = 0.0, []
    free = heard.copy()
    for _ in range(count):
        spread = rows @ covariance
        ratio = np.where(free, 1.0 + (spread * rows).sum(1), -np.inf)
        best = int(np.argmax(ratio))
        gain += float(np.log(ratio[best]))
        # Sherman-Morrison: one more measurement.
        covariance = covariance - np.outer(spread[best], spread[best]) / ratio[best]
        receivers.append(best)
        free[best] = False
    return gain, receivers, covariance
