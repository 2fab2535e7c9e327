"""Predicted uncertainty of a plan beside that of random positions: table and JSON."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.console import first_rows, listed, tallied
from vlmrt_dist.inference import VERDICT_WORDS
from vlmrt_dist.placement import (
    NUM_DRAWS,
    CandidatePool,
    Design,
    Prediction,
    RandomCampaigns,
    prediction_of,
    prior_draws,
    random_campaigns,
)
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True, eq=False)
class PlanReport:
    """A plan's prediction and that of random campaigns.

    :param predicted: from the planned positions, on all of their paths
    :param random: from random choices of the pool, of the plan's size
    """

    predicted: Prediction
    random: RandomCampaigns

    def text(self, lines: Sequence[str]) -> str:
        """The table, and sentences on it."""
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        p, r = self.predicted, self.random
        table = Table(
            title=f"Predicted standard deviation of ln σ: {p.num_links} links, {p.noise_db:g} dB",
            title_justify="left",
        )
        for name in ("object", "material"):
            table.add_column(name)
        for name in ("before", "planned", "at random"):
            table.add_column(name, justify="right")
        table.add_column("expected verdict")
        rank = np.divide(p.posterior, p.prior, out=np.full(len(p.free), np.inf), where=p.free)
        shown = first_rows(rank)
        for k in shown:
            cells = [percent(v) for v in (p.prior[k], p.posterior[k], r.posterior[k])]
            given = cells if p.free[k] else ["", "", ""]
            table.add_row(
                escape(p.names[k]), escape(p.materials[k]), *given, VERDICT_WORDS[p.verdict[k]]
            )
        if len(shown) < len(p.names):
            rest = [VERDICT_WORDS[v] for k, v in enumerate(p.verdict) if k not in set(shown)]
            table.caption = (
                f"the {len(shown)} objects that the plan tells most about; {len(rest)} more: "
                f"{tallied(rest)}. All of them with --json"
            )
            table.caption_justify = "left"
        text = io.StringIO()
        console = Console(file=text, width=112, no_color=True, highlight=False)
        console.print(table)
        for line in [*self.sentences(), *lines]:
            console.print(line, soft_wrap=True)
        return text.getvalue().rstrip()

    def sentences(self) -> list[str]:
        """Comparison with random positions, and its reasons."""
        p, r = self.predicted, self.random
        found = [
            f"on average {percent(p.mean_posterior)}; {r.count} random campaigns of as many links "
            f"leave {percent(r.mean_posterior)} (median)"
        ]
        if math.isfinite(p.mean_cramer_rao) and p.mean_cramer_rao > 0.0:
            found.append(
                f"Cramér-Rao bound without the prior {percent(p.mean_cramer_rao)} against "
                f"{percent(r.mean_cramer_rao)}: {r.mean_cramer_rao / p.mean_cramer_rao:.3g} times"
            )
        gain = [
            p.strongest[k] / r.strongest[k] if p.free[k] and r.strongest[k] > 0.0 else 0.0
            for k in range(len(p.names))
        ]
        if max(gain) > 1.0:
            k = gain.index(max(gain))
            unit = "dB" if p.levels_only else "standard deviations of its noise"
            found.append(
                f"why: the link most sensitive to {p.names[k]} changes by {p.strongest[k]:.2g} "
                f"{unit} when its conductivity grows by a factor e, at random positions by "
                f"{r.strongest[k]:.2g}{' dB' if p.levels_only else ''}"
            )
        lost = [n for n, v in zip(p.names, p.verdict, strict=True) if v == "not_identified"]
        if lost:
            found.append(f"not identified by these links: {listed(lost)}")
        if p.num_heard < p.num_links:
            found.append(f"no path reaches {p.num_links - p.num_heard} of {p.num_links} links")
        return found

    def to_dict(self, lines: Sequence[str]) -> dict[str, Any]:
        """JSON values (an infinite bound is null)."""
        p, r = self.predicted, self.random
        return {
            "objects": [
                {
                    "name": name,
                    "material": p.materials[k],
                    "prior_std": float(p.prior[k]),
                    "predicted_std": float(p.posterior[k]),
                    "cramer_rao": _finite(p.cramer_rao[k]),
                    "random_std": float(r.posterior[k]),
                    "verdict": p.verdict[k],
                }
                for k, name in enumerate(p.names)
            ],
            "num_links": p.num_links,
            "num_heard": p.num_heard,
            "noise_db": p.noise_db,
            "mean_predicted_std": _finite(p.mean_posterior),
            "mean_cramer_rao": _finite(p.mean_cramer_rao),
            "random": {
                "campaigns": r.count,
                "mean_predicted_std": _finite(r.mean_posterior),
                "mean_cramer_rao": _finite(r.mean_cramer_rao),
            },
            "remarks": [*self.sentences(), *lines],
            "units": {"std": "of ln(conductivity)", "noise_db": "dB"},
        }


def plan_report(
    scene: SceneModel,
    planned: Campaign,
    pool: CandidatePool,
    *,
    radio: RadioConfig,
    design: Design,
    seed: int = 0,
) -> PlanReport:
    """Predict the uncertainty after ``planned``, and after random campaigns.

    :param pool: candidates of the random campaigns
    :param radio: radio configuration of the measurement
    :param design: what is measured of each link, and what is unknown before
    :param seed: of the random campaigns
    :raises CampaignError: if too few candidates of the pool receive anything
    """
    draws = prior_draws(scene, radio, design.prior_width, NUM_DRAWS, 0, design.fixed)
    predicted = prediction_of(scene, planned, radio, design, draws)
    chance = random_campaigns(
        scene, pool, planned.num_setups, planned.num_receivers, design=design, seed=seed
    )
    return PlanReport(predicted=predicted, random=chance)


def percent(share: float) -> str:
    """A share as text, "±10 %"; "no bound" if it is infinite."""
    return f"±{100.0 * share:.3g} %" if math.isfinite(share) else "no bound"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
