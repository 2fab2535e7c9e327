"""An estimate from given numbers, for tests of what is said of it."""

import numpy as np

from vlmrt_dist.inference.quantities import LinkLevels
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.inference.verdicts import Verdict

NAN = float("nan")
LINKS = LinkLevels(
    measured_dbm=np.array([[-50.0, -95.0, -95.0], [-60.0, -61.0, NAN]]),
    noise_db=np.array([[0.5, 0.5, 0.5], [2.0, 2.0, NAN]]),
    censored=np.array([[False, True, True], [False, False, False]]),
    saturated=np.zeros((2, 3), bool),
    replayed_dbm=np.array([[-51.0, -99.0, -94.0], [-59.0, NAN, NAN]]),
    held_out_dbm=np.array([[-53.0, -90.0, -96.0], [-60.0, NAN, NAN]]),
)


def estimate(**changes: object) -> Estimate:
    verdict: tuple[Verdict, ...] = ("estimated", "not_identified", "fixed")
    sigma = np.array([0.0291, 0.12, 1e7])
    values: dict[str, object] = {
        "names": ("floor", "box [bold]x", "door"),
        "materials": ("brick", "concrete", "metal"),
        "conductivity": sigma,
        "low": sigma * 0.9,
        "high": sigma * 1.1,
        "prior": sigma,
        "prior_low": sigma * 0.4,
        "prior_high": sigma * 2.7,
        "verdict": verdict,
        "contradicts_prior": (False,) * len(verdict),
        "fitted": sigma,
        "outcome": "converged",
        "iterations": 7,
        "losses": np.zeros(0),
        "engine": "replay",
        "optimizer": "levenberg_marquardt",
        "protocol": "measured",
        "combining": "power",
        "noise_db": 0.1,
        "noise_scale": 1.0,
        "residual_db": 0.012,
        "held_out_db": float("nan"),
        "num_links": 24,
        "num_unheard": 0,
        "num_paths": 600,
        "complete_to": 4,
        "num_fragile": 0,
        "max_depth": 4,
        "seconds": {"trace": 1.0, "fit": 0.25},
        "links": LINKS,
    }
    return Estimate(**{**values, **changes})  # type: ignore[arg-type]
