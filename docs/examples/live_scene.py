"""A live Sionna scene in, the same scene out, with Sionna's solver computing on the new numbers."""

from __future__ import annotations

from pathlib import Path

import sionna.rt

import vlmrt_dist as vd

FILE = str(Path(__file__).parents[2] / "notebooks" / "own_measurements" / "scene.xml")


def main() -> None:
    """Take a scene with its devices, simulate, estimate, and apply."""
    scene = sionna.rt.load_scene(FILE, merge_shapes=False)
    scene.frequency = 3.5e9
    scene.tx_array = sionna.rt.PlanarArray(num_rows=1, num_cols=1, pattern="iso", polarization="V")
    scene.rx_array = scene.tx_array
    scene.add(sionna.rt.Transmitter("ap", [1.4, 6.0, 1.5]))
    for number, place in enumerate(([6.3, 6.9, 1.0], [5.9, 2.7, 1.2], [2.5, 2.0, 1.1])):
        scene.add(sionna.rt.Receiver(f"phone {number}", place))

    setup = vd.from_sionna(scene, source=FILE)
    print("not taken over:", setup.not_taken)
    truth = 1.4 * setup.scene.conductivity(setup.radio.frequency)
    measured = vd.simulate(
        setup.scene, setup.campaign, conductivity=truth, radio=setup.radio, noise_db=0.2, seed=0
    )
    result = vd.estimate(setup.scene, measured, radio=setup.radio)
    print(result)

    result.apply(scene)
    paths = sionna.rt.PathSolver()(scene, max_depth=3)
    print("Sionna's solver finds delays of shape", paths.tau.shape)


if __name__ == "__main__":
    main()
