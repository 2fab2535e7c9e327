"""Shares about minima by quadrature, against integrals in closed form."""

from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.sparse as sp

from tests.inference.test_tempering import needles
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.lattice import lattice_shares
from vlmrt_dist.inference.least_squares import LeastSquares
from vlmrt_dist.inference.weighted_draws import Mode


def test_narrow_minima_hold_their_areas() -> None:
    predict, data = needles()
    exact = 4.0 * np.exp(-0.7) / (1.0 + 4.0 * np.exp(-0.7))
    modes = [Mode(np.array([-6.0, 3.0]), 0.0, 0.5), Mode(np.array([5.0, -7.0]), 0.7, 0.5)]
    found = lattice_shares(predict, data, modes, 0.7)
    np.testing.assert_allclose(found, [1.0 - exact, exact], rtol=0.01)


@pytest.mark.parametrize("fineness", [1.0, 0.5])
@pytest.mark.parametrize("size", [1, 3])
def test_a_curved_level_has_the_mass_of_its_integral(size: int, fineness: float) -> None:
    """The first unknown enters by its square, so it has two minima, which a prior tells apart;
    the others are measured by themselves."""
    width = 2.0

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        slope = np.eye(size)
        slope[0, 0] = 2.0 * x[0]
        return np.append(x[0] ** 2, x[1:]), sp.csr_matrix(slope)

    level = np.append(4.0, np.full(size - 1, 0.3))
    prior = np.append(0.5, np.zeros(size - 1))
    data = LeastSquares(
        level, np.ones(size), np.ones(size) > 0.0, prior, np.append(width, np.full(size - 1, 5.0)),
        -6.0, 6.0,
    )  # fmt: skip

    def density(x: float) -> float:
        return float(np.exp(-0.5 * ((x**2 - 4.0) ** 2 + ((x - 0.5) / width) ** 2)))

    right, left = (
        scipy.integrate.quad(density, *ends, points=[peak])[0]
        for ends, peak in (((0.0, 6.0), 2.0), ((-6.0, 0.0), -2.0))
    )
    at = np.append(2.0, np.full(size - 1, 0.3))
    other = at * np.append(-1.0, np.ones(size - 1))
    modes: list[Any] = [Mode(at, 0.3, 0.5), Mode(other, 0.8, 0.5)]
    found = lattice_shares(predict, data, modes, fineness)
    np.testing.assert_allclose(found[0], right / (right + left), rtol=0.01)
