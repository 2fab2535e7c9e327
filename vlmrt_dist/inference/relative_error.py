"""The paper's measure of an error in the conductivities."""

from __future__ import annotations

import numpy as np

from vlmrt_dist.arrays import FloatArray


def mean_relative_error(theta: FloatArray, truth: FloatArray) -> float:
    """The paper's MRE (17): mean of |σ - σ̂| / σ̂ over the objects with a conductivity.

    :param theta: [K] conductivities [S/m]
    :param truth: [K] true ones [S/m]
    """
    there = np.asarray(truth) > 0.0
    return float(np.mean(np.abs(theta[there] - truth[there]) / truth[there]))
