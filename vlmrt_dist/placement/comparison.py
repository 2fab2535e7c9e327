"""Expected posteriors of alternative measurements at the same positions.

Each alternative has its information at the prior's values, as a plan's criterion has it: how much
of each unknown it determines, one left half to the prior counting as half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.inference import Prior, prior_of
from vlmrt_dist.placement.prediction import spread
from vlmrt_dist.placement.sensitivities import Design, link_rows
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
    design: Design,
    progress: Progress | None = None,
) -> tuple[ObservableWorth, ...]:
    """Expected posteriors of alternative measurements at the positions of a campaign.

    :param alternatives: each of one observable or several joined by +, as in "power+delay:10ns@2db"
    :param design: unknowns, their prior, and the noise of received powers [dB]; that of the others
        as their words state
    :param progress: called along the tracing
    :raises ConfigurationError: if a word is none
    """
    from vlmrt_dist.field import trace  # imports Dr.Jit

    designs = [replace(design, observables=w.replace("+", ",")) for w in alternatives]
    table = trace(scene, campaign, radio, progress=progress)
    prior = prior_of(scene, radio, Prior(1.0), design.fixed)
    unknown = design.repeated(prior.free)
    width = np.where(unknown, design.widths(scene.num_objects), 0.0)
    parts = np.arange(len(width)) // scene.num_objects
    found = []
    for words, each in zip(alternatives, designs, strict=True):
        rows = link_rows(scene, campaign, radio, table, prior.median[None], each, unknown)
        scaled = rows.scaled(unknown / each.noise)[0]
        std = spread(scaled, width, unknown)[0]
        share = 1.0 - np.divide(std, width, out=np.ones_like(std), where=unknown) ** 2
        of = {q: unknown & (parts == i) for i, q in enumerate(each.parameters)}
        found.append(
            ObservableWorth(
                words,
                rows.num_values,
                {q: float(share[some].sum()) for q, some in of.items()},
                {q: std[some] for q, some in of.items()},
            )
        )
    return tuple(found)
