"""An optimizer and an observable of one's own, on the faces of the packages alone.

The optimizer is SciPy's L-BFGS-B on ln σ, with values and gradients of replay. The observable is
the share of a link's power that has met one object, which the path table and the paths' powers
give.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

import vlmrt_dist as vd
from vlmrt_dist.field import Materials, ReplayObjective, path_powers, trace


def main() -> None:
    """Fit nine conductivities, and tell how much power met the marble."""
    room, radio = vd.box_room(), vd.RadioConfig()
    truth = 1.3 * room.conductivity(radio.frequency)
    positions = vd.place("d_optimal", room, num_setups=3, num_receivers=8, seed=0)
    measured = vd.simulate(room, positions, conductivity=truth, radio=radio, seed=1)
    table = trace(room, measured, radio)
    objective = ReplayObjective(room, measured, radio, table)

    def loss(ln_sigma: np.ndarray) -> tuple[float, np.ndarray]:
        sigma = np.exp(ln_sigma)
        found = objective.value_and_grad(sigma[None], "decibel_squares")
        return float(found.loss.sum()), found.gradient.sum(axis=(0, 1)) * sigma

    start = np.log(room.conductivity(radio.frequency))
    fit = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    error = np.abs(np.exp(fit.x) / truth - 1.0)
    print(f"{fit.nit} steps, mean relative error {100 * error.mean():.2f} %")
    assert error.mean() < 0.05

    materials = Materials(
        np.exp(fit.x), room.relative_permittivity(radio.frequency), room.thickness
    )
    power = path_powers(table, radio, materials)
    marble = room.names.index("box_marble")
    met = ((table.kind != 0) & (table.object == marble)).any(axis=1)
    total, of_marble = np.zeros((2, *measured.rss_dbm.shape))
    np.add.at(total, (table.setup, table.receiver), power)
    np.add.at(of_marble, (table.setup, table.receiver), power * met)
    print("share of each link's power that met the marble [%]")
    print(np.round(100 * of_marble / total, 1))


if __name__ == "__main__":
    main()
