"""From two files to a calibrated scene and predictions: an office with 120 measured links.

``python docs/examples/own_flat.py FOLDER`` takes a folder with ``scene.xml`` and ``rss.csv``;
what it makes lies in ``calibrated/`` of the folder where it is run.
"""

from __future__ import annotations

import sys
from pathlib import Path

import vlmrt_dist as vd

OFFICE = Path(__file__).parents[2] / "notebooks" / "own_measurements"


def main(folder: Path) -> None:
    """Estimate, write the calibrated scene, and predict one transmitter elsewhere."""
    room = vd.load_scene(folder / "scene.xml")
    campaign = vd.read_campaign(folder / "rss.csv", scene=room)
    noise = vd.Noise(db=1.0, gain_offset_db=2.0)  # cables that were changed between the setups
    result = vd.estimate(room, campaign, noise=noise)
    print(result)
    result.write_scene("calibrated", overwrite=True)

    elsewhere = vd.place("random", room, num_setups=1, num_receivers=5, seed=1)
    prediction = vd.predict(result, room, elsewhere)
    for level, low, high in zip(
        prediction.level_dbm, prediction.low_dbm, prediction.high_dbm, strict=True
    ):
        print(f"{level:.1f} dBm, with 95 % between {low:.1f} and {high:.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else OFFICE)
