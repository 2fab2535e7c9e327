"""Expected posteriors of alternative measurements at the same positions.

Each alternative is measured at the prior's values and its normal posterior taken there: how much of
each unknown it determines, one left half to the prior counting as half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, parse_observables
from vlmrt_dist.field import simulate
from vlmrt_dist.inference import (
    Assumptions,
    Noise,
    Parameters,
    Prior,
    appraise,
    open_problem,
)
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True, eq=False)
class ObservableWorth:
    """Expected posterior of one alternative.

    :param words: its observables, see :func:`~vlmrt_dist.campaign.parse_observables`
    :param num_values: measured values, a complex one counting as two
    :param determined: for each unknown quantity, how many of its unknowns
    :param std: for each unknown quantity, posterior standard deviations of its unknowns in x
    """

    words: str
    num_values: int
    determined: dict[str, float]
    std: dict[str, FloatArray]


def compare_observables(
    scene: SceneModel,
    campaign: Campaign,
    alternatives: Sequence[str],
    *,
    radio: RadioConfig,
    noise_db: float = 1.0,
    prior: Prior | None = None,
    parameters: Parameters | None = None,
    noise: Noise | None = None,
    progress: Progress | None = None,
) -> tuple[ObservableWorth, ...]:
    """Expected posteriors of alternative measurements at the positions of a campaign.

    :param alternatives: each of one observable or several joined by +, as in "power+delay:10ns@2db"
    :param noise_db: of received powers [dB]; of the others as their words state
    :param noise: offsets that are unknown
    :raises ConfigurationError: if a word is none
    """
    found = []
    assumed = Assumptions(radio, prior or Prior(), parameters or Parameters(), noise or Noise())
    for words in alternatives:
        power, plans = parse_observables(words.replace("+", ","))
        measured = simulate(
            scene, campaign, radio=radio, noise_db=noise_db, observables=plans, power=power
        )
        with open_problem(scene, measured, assumed, progress=progress) as problem:
            data, mean = problem.data, problem.unknowns.mean
            # What is expected, not one draw of it; bins near the floor are heard or not.
            heard = replace(data, censored=None, saturated=None)
            knowledge = appraise(problem.predict, heard, mean, expected=True).knowledge
            share = 1.0 - (knowledge.std / knowledge.prior_std) ** 2
            quantity = np.array(problem.unknowns.quantity)
            found.append(
                ObservableWorth(
                    words,
                    int(data.used.sum()),
                    {q: float(share[quantity == q].sum()) for q in np.unique(quantity).tolist()},
                    {q: knowledge.std[quantity == q] for q in np.unique(quantity).tolist()},
                )
            )
    return tuple(found)
