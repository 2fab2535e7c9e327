"""Sionna's model of Munich: what two transmitters in its streets tell of the buildings."""

from __future__ import annotations

from collections import Counter

import vlmrt_dist as vd


def main() -> None:
    """Simulate a measurement in the streets, estimate, and count the verdicts."""
    city = vd.load_scene(vd.bundled_scene("munich"))
    radio = vd.RadioConfig(frequency=3.5e9, max_depth=3)
    positions = vd.place("random", city, num_setups=2, num_receivers=16, seed=3)
    measured = vd.simulate(city, positions, radio=radio, noise_db=1.0, seed=1)
    result = vd.estimate(city, measured, radio=radio)
    print(f"{city.num_objects} objects:", dict(Counter(result.verdict)))
    for name, material, verdict in zip(result.names, result.materials, result.verdict, strict=True):
        if verdict in ("estimated", "weak"):
            print(f"{name}: {material}, {verdict}")


if __name__ == "__main__":
    main()
