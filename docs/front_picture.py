"""The picture of the README: the paper's room before and after, coloured by conductivity.

``python docs/front_picture.py docs/_static/front.png``
"""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

import vlmrt_dist as vd
from vlmrt_dist.field import trace
from vlmrt_dist.paths import path_points

CUT_AWAY = ("wall_west", "wall_south")  # between the viewer and the room
FACTORS = np.array([0.8, 1.4, 0.7, 1.3, 1.5, 0.6, 1.7, 1.6, 0.7])  # truth over ITU value
INK = "#333333"


def main(file: str) -> None:
    """Estimate, and draw the room twice."""
    room, radio = vd.box_room(), vd.RadioConfig()
    before = room.conductivity(radio.frequency)
    truth = before * FACTORS
    campaign = vd.place(vd.DOptimal(radio=radio, noise_db=0.1), room, 3, 8)
    measured = vd.simulate(room, campaign, conductivity=truth, noise_db=0.1, radio=radio, seed=1)
    result = vd.estimate(room, measured, radio=radio)
    after = np.asarray(result.conductivity)
    print(result)
    table = trace(room, campaign, radio)
    few = (table.kind != 0).sum(axis=1) <= 2
    shown = few & (table.setup == 0) & (table.receiver == 0)
    lines = path_points(room, list(campaign.setups), table)[shown]

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), subplot_kw={"projection": "3d"})
    colours, norm = plt.get_cmap("viridis"), LogNorm(0.01, 0.25)
    errors = [100 * np.mean(np.abs(values / truth - 1)) for values in (before, after)]
    for axis, values, title in zip(
        axes,
        (before, after),
        (f"before: values of ITU-R P.2040, {errors[0]:.0f} % off on average",
         f"after: calibrated from 24 levels, {errors[1]:.1f} % off"),
        strict=True,
    ):  # fmt: skip
        draw(axis, room, colours(norm(values)), lines)
        axis.set_title(title, color=INK, fontsize=10, y=1.0)
    figure.subplots_adjust(0, 0, 0.9, 0.95, wspace=0)
    bar = figure.colorbar(
        plt.cm.ScalarMappable(norm, colours), cax=figure.add_axes((0.91, 0.2, 0.012, 0.6))
    )
    bar.set_label("conductivity [S/m]", color=INK)
    figure.savefig(file, dpi=110)


def draw(axis: plt.Axes, room: vd.SceneModel, colours: np.ndarray, lines: np.ndarray) -> None:
    """Objects in their colours, and the paths of one link."""
    for each, colour in zip(room.objects, colours, strict=True):
        if each.name in CUT_AWAY:
            continue
        wall = each.name.startswith(("wall", "floor"))
        axis.add_collection3d(
            Poly3DCollection(
                each.vertices[each.faces], facecolors=[(*colour[:3], 0.8 if wall else 1.0)],
                shade=True, zorder=1 if wall else 2,
            )
        )  # fmt: skip
    axis.add_collection3d(Line3DCollection(list(lines), colors="#d62728", linewidths=0.9, zorder=3))
    axis.scatter(*lines[0, [0, -1]].T, color="black", s=18, depthshade=False, zorder=4)
    low, high = room.bounds
    axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    axis.set_box_aspect(high - low, zoom=1.08)
    axis.view_init(elev=32, azim=-125)
    axis.set_axis_off()
    axis.computed_zorder = False


if __name__ == "__main__":
    main(sys.argv[1])
