"""Problems whose fits have several minima."""

import numpy as np
import pytest

from vlmrt_dist.inference.problem import open_problem
from vlmrt_dist.studies.benchmarks.two_minima import two_minima_problems

SUITE = {problem.name: problem for problem in two_minima_problems()}


def test_there_are_twenty() -> None:
    assert len(SUITE) == 20


@pytest.mark.parametrize("name", ["coated_concrete", "slab_any_offset"])
def test_the_truth_explains_the_levels(name: str) -> None:
    problem = SUITE[name]
    with open_problem(problem.scene, problem.measured(), problem.assumptions(np.inf)) as opened:
        x = problem.true_x(opened.unknowns)
        level, _ = opened.predict(x)
        data = opened.data
        links = data.used.sum()
        chi2 = (((level - data.level_dbm) / data.noise_db)[data.used] ** 2).sum()
        assert chi2 < links + 4.0 * np.sqrt(2.0 * links)
        elsewhere, _ = opened.predict(data.prior)
        assert (((elsewhere - data.level_dbm) / data.noise_db)[data.used] ** 2).sum() > 2.0 * chi2
